#include "libs/model/transformer.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "libs/base/check.h"
#include "libs/tensor/embedding.h"
#include "libs/tensor/layer_norm.h"
#include "libs/tensor/loss.h"
#include "libs/tensor/reduction.h"

namespace pretrain {
namespace {

/// Adds the time of its scope to a counter, and optionally to a second one.
class ScopedSeconds {
 public:
  explicit ScopedSeconds(double& total, double* also = nullptr) : total_(total), also_(also) {}
  ~ScopedSeconds() {
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    total_ += seconds;
    if (also_ != nullptr) *also_ += seconds;
  }
  ScopedSeconds(const ScopedSeconds&) = delete;
  ScopedSeconds& operator=(const ScopedSeconds&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  double& total_;
  double* also_;
  Clock::time_point start_ = Clock::now();
};

/// Where a product is summed up whose result is kept: in its place, or where its gradient will stand if it is
/// rounded.
float* sums_of(const Operand& kept, float* gradient) {
  return kept.precision() == Precision::kFloat32 ? kept.floats() : gradient;
}

}  // namespace

Transformer::Layer::Layer(Compute& compute, const PassShape& shape)
    : Layer(compute, shape.config, shape.positions(), {shape.precision, shape.training}) {}

Transformer::Layer::Layer(Compute& compute, const ModelConfig& c, int64_t M, const Linear::Options& options)
    : qkv(compute, M, c.d_model, 3 * c.d_model, options),
      attention(compute, M, c.d_model, c.d_model, options),
      up(compute, M, c.d_model, c.d_ff, options),
      down(compute, M, c.d_ff, c.d_model, options) {}

Transformer::Transformer(Compute& compute, const PassShape& shape)
    : compute_(compute),
      config_(shape.config),
      layout_(config_),
      B_(shape.rows),
      T_(config_.context),
      M_(shape.positions()),
      C_(config_.d_model),
      F_(config_.d_ff),
      V_(config_.vocabulary),
      shape_{config_, shape.rows, shape.training, shape.recompute, shape.precision},
      attention_(compute, {.B = B_, .T = T_, .H = config_.heads, .D = config_.head_size()}, shape.precision),
      head_rows_(head_chunk_rows(M_, V_)),
      head_weight_(shape.precision, C_, V_),
      memory_(shape_),
      t_(memory_.tensors()) {
  layers_.reserve(static_cast<size_t>(config_.layers));
  for (int64_t l = 0; l < config_.layers; ++l) layers_.emplace_back(compute, shape_);
  if (shape.training) {
    head_transposed_ = PackedMatrix(shape.precision, V_, C_);
    packed_gradient_ = PackedMatrix(shape.precision, packed_gradient_words(shape_));
  }
}

void Transformer::use_parameters(const float* parameters) {
  parameters_ = parameters;
  for (size_t l = 0; l < layers_.size(); ++l) {
    const BlockOffsets& at = layout_.blocks()[l];
    layers_[l].qkv.pack(parameter(at.qkv_weight));
    layers_[l].attention.pack(parameter(at.attention_weight));
    layers_[l].up.pack(parameter(at.up_weight));
    layers_[l].down.pack(parameter(at.down_weight));
  }
  const float* embedding = parameter(layout_.token_embedding());
  head_weight_.pack_transposed(compute_, embedding, C_);
  if (shape_.training) head_transposed_.pack(compute_, embedding, C_);
}

void Transformer::forward(const uint32_t* inputs) {
  PRETRAIN_CHECK(parameters_ != nullptr, "no parameters in use");
  embed_forward(compute_, inputs, parameter(layout_.token_embedding()),
                parameter(layout_.position_embedding()), M_, T_, C_, t_.residual.front());
  show("embedded", t_.residual.front(), M_, C_);
  for (size_t index = 0; index < layers_.size(); ++index) forward_layer(index);
  layer_norm_forward(compute_, t_.residual.back(), parameter(layout_.final_norm_gain()),
                     parameter(layout_.final_norm_bias()), M_, C_, t_.final_normed, t_.final_mean,
                     t_.final_rstd);
  show("final_normed", t_.final_normed, M_, C_);
}

// middle = x + attention(norm1(x));  x_out = middle + down(gelu(up(norm2(middle))))
void Transformer::forward_layer(size_t index) {
  forward_attention(index);
  forward_up(index);
  const LayerActivations& a = t_.layers[index];
  float* x_out = t_.residual[index + 1];
  layers_[index].down.forward(a.activated, parameter(layout_.blocks()[index].down_bias), x_out,
                              {.added = a.middle});
  show("layer_out", x_out, M_, C_);
}

void Transformer::forward_attention(size_t index) {
  const BlockOffsets& at = layout_.blocks()[index];
  const LayerActivations& a = t_.layers[index];
  const float* x = t_.residual[index];
  layer_norm_forward(compute_, x, parameter(at.norm1_gain), parameter(at.norm1_bias), M_, C_, a.normed1,
                     a.mean1, a.rstd1);
  show("normed1", a.normed1, M_, C_);
  layers_[index].qkv.forward(a.normed1, parameter(at.qkv_bias), sums_of(a.qkv_out, t_.dqkv),
                             {.kept = a.qkv_out});
  show("qkv_out", a.qkv_out, M_, 3 * C_);
  attention_.forward(a.qkv_out, a.attention_out, a.log_sum_exp);
  show("attention_out", a.attention_out, M_, C_);
  show("log_sum_exp", a.log_sum_exp, M_, config_.heads);
  layers_[index].attention.forward(a.attention_out, parameter(at.attention_bias), a.middle, {.added = x});
  show("middle", a.middle, M_, C_);
}

void Transformer::forward_up(size_t index) {
  const BlockOffsets& at = layout_.blocks()[index];
  const LayerActivations& a = t_.layers[index];
  layer_norm_forward(compute_, a.middle, parameter(at.norm2_gain), parameter(at.norm2_bias), M_, C_,
                     a.normed2, a.mean2, a.rstd2);
  show("normed2", a.normed2, M_, C_);
  layers_[index].up.forward(a.normed2, parameter(at.up_bias), sums_of(a.up_out, t_.dwide),
                            {.kept = a.up_out, .gelu = a.activated});
  show("up_out", a.up_out, M_, F_);
  show("activated", a.activated, M_, F_);
}

// logits = h E^T in chunks of rows, h the normed output and E the token embedding; each chunk's gradient is
// made in place and used up before the next chunk.
double Transformer::head(const int32_t* targets, float gradient_scale, bool accumulate, float* gradients) {
  for (int64_t first = 0; first < M_; first += head_rows_) {
    const int64_t rows = std::min(head_rows_, M_ - first);
    {
      const ScopedSeconds timed(seconds_.forward, &seconds_.loss);
      product(compute_, rows, {t_.final_normed + first * C_, C_}, head_weight_, t_.logits);
      show("logits", t_.logits, rows, V_);
      softmax_cross_entropy(compute_, t_.logits, targets + first, rows, V_, gradient_scale, t_.losses + first,
                            shape_.precision);
      show("losses", t_.losses + first, rows);
    }
    if (gradients != nullptr) head_chunk_backward(first, rows, accumulate || first > 0, gradients);
  }
  return std::accumulate(t_.losses, t_.losses + M_, 0.0);
}

// dh = dlogits E;  dE (+)= dlogits^T h
void Transformer::head_chunk_backward(int64_t first, int64_t rows, bool accumulate, float* gradients) {
  const ScopedSeconds timed(seconds_.backward, &seconds_.loss);
  const auto [dlogits, ld] = gradient_of_logits(t_.logits, V_, shape_.precision);
  show("dlogits", dlogits, rows, V_, ld);
  product(compute_, rows, {dlogits, ld}, head_transposed_, t_.dnarrow + first * C_);
  show("dhidden", t_.dnarrow + first * C_, rows, C_);
  PackedMatrix& hidden = packed_gradient_;
  hidden.reshape(rows, C_);
  hidden.pack(compute_, t_.final_normed + first * C_, C_);
  float* dembedding = gradients + layout_.token_embedding();
  product(compute_, V_, MatrixView(dlogits, ld).transposed(), hidden, dembedding,
          {.added = accumulate ? dembedding : nullptr});
}

double Transformer::evaluate(const uint32_t* inputs, const int32_t* targets) {
  {
    const ScopedSeconds timed(seconds_.forward);
    forward(inputs);
  }
  return head(targets, 0, false, nullptr);
}

double Transformer::forward_backward(const uint32_t* inputs, const int32_t* targets, float gradient_scale,
                                     bool accumulate, float* gradients) {
  PRETRAIN_CHECK(shape_.training, "made for evaluation only");
  {
    const ScopedSeconds timed(seconds_.forward);
    forward(inputs);
  }
  const double loss = head(targets, gradient_scale, accumulate, gradients);
  const ScopedSeconds timed(seconds_.backward);
  backward(inputs, accumulate, gradients);
  return loss;
}

// Starts from the head's gradient of the normed output in dnarrow; dx is the gradient of the residual stream.
void Transformer::backward(const uint32_t* inputs, bool accumulate, float* gradients) {
  const float* x = t_.residual.back();
  layer_norm_parameter_gradients(compute_, t_.dnarrow, x, t_.final_mean, t_.final_rstd, M_, C_, accumulate,
                                 gradients + layout_.final_norm_gain(),
                                 gradients + layout_.final_norm_bias());
  std::fill_n(t_.dx, M_ * C_, 0.0F);
  layer_norm_backward(compute_, t_.dnarrow, x, parameter(layout_.final_norm_gain()), t_.final_mean,
                      t_.final_rstd, M_, C_, t_.dx);
  show("dx", t_.dx, M_, C_);
  for (size_t left = layers_.size(); left > 0; --left) {
    restore_layer(left - 1);
    backward_mlp(left - 1, accumulate, gradients);
    backward_attention(left - 1, accumulate, gradients);
  }
  embed_backward(compute_, inputs, t_.dx, M_, T_, C_, accumulate, gradients + layout_.token_embedding(),
                 gradients + layout_.position_embedding());
  show("gradients", gradients, static_cast<int64_t>(layout_.flat_size()));
}

/// Where layers share their activations, those of the last one are still there.
void Transformer::restore_layer(size_t index) {
  if (shape_.recompute != Recompute::kLayers || index + 1 == layers_.size()) return;
  forward_attention(index);
  forward_up(index);
}

// Forward was: x_out = middle + down(gelu(up(norm2(middle)))).
// dx holds the gradient of x_out on entry and that of middle on return: the branch adds to it.
void Transformer::backward_mlp(size_t index, bool accumulate, float* gradients) {
  const BlockOffsets& at = layout_.blocks()[index];
  const LayerActivations& a = t_.layers[index];
  Layer& layer = layers_[index];
  const bool recomputes = shape_.recompute == Recompute::kCheap;

  layer.down.backward_input(t_.dx, t_.dwide,
                            {.gelu_input = a.up_out, .gelu = recomputes ? a.activated : Operand()});
  show("dup_out", t_.dwide, M_, F_);
  layer.down.backward_parameters(a.activated, t_.dx, accumulate, gradients + at.down_weight,
                                 gradients + at.down_bias, packed_gradient_);
  if (recomputes) {
    layer_norm_forward(compute_, a.middle, parameter(at.norm2_gain), parameter(at.norm2_bias), M_, C_,
                       a.normed2, a.mean2, a.rstd2);
  }
  layer.up.backward_parameters(a.normed2, t_.dwide, accumulate, gradients + at.up_weight,
                               gradients + at.up_bias, packed_gradient_);
  layer.up.backward_input(t_.dwide, t_.dnarrow);
  show("dnormed2", t_.dnarrow, M_, C_);
  layer_norm_parameter_gradients(compute_, t_.dnarrow, a.middle, a.mean2, a.rstd2, M_, C_, accumulate,
                                 gradients + at.norm2_gain, gradients + at.norm2_bias);
  layer_norm_backward(compute_, t_.dnarrow, a.middle, parameter(at.norm2_gain), a.mean2, a.rstd2, M_, C_,
                      t_.dx);
  show("dmiddle", t_.dx, M_, C_);
}

// Forward was: middle = x + attention(norm1(x)). dx: as above, from middle to x.
void Transformer::backward_attention(size_t index, bool accumulate, float* gradients) {
  const BlockOffsets& at = layout_.blocks()[index];
  const LayerActivations& a = t_.layers[index];
  const float* x = t_.residual[index];
  Layer& layer = layers_[index];

  layer.attention.backward_parameters(a.attention_out, t_.dx, accumulate, gradients + at.attention_weight,
                                      gradients + at.attention_bias, packed_gradient_);
  layer.attention.backward_input(t_.dx, t_.dnarrow);
  show("dattention_out", t_.dnarrow, M_, C_);
  attention_.backward(a.qkv_out, a.attention_out, t_.dnarrow, a.log_sum_exp, t_.dqkv);
  show("dqkv", t_.dqkv, M_, 3 * C_);
  if (shape_.recompute == Recompute::kCheap) {
    layer_norm_forward(compute_, x, parameter(at.norm1_gain), parameter(at.norm1_bias), M_, C_, a.normed1,
                       a.mean1, a.rstd1);
  }
  layer.qkv.backward_parameters(a.normed1, t_.dqkv, accumulate, gradients + at.qkv_weight,
                                gradients + at.qkv_bias, packed_gradient_);
  layer.qkv.backward_input(t_.dqkv, t_.dnarrow);
  show("dnormed1", t_.dnarrow, M_, C_);
  layer_norm_parameter_gradients(compute_, t_.dnarrow, x, a.mean1, a.rstd1, M_, C_, accumulate,
                                 gradients + at.norm1_gain, gradients + at.norm1_bias);
  layer_norm_backward(compute_, t_.dnarrow, x, parameter(at.norm1_gain), a.mean1, a.rstd1, M_, C_, t_.dx);
  show("dlayer_in", t_.dx, M_, C_);
}

void Transformer::show(std::string_view name, float* values, int64_t rows, int64_t columns) {
  if (probe_) probe_(name, {values, static_cast<size_t>(rows * columns)});
}

void Transformer::show(std::string_view name, const Operand& kept, int64_t rows, int64_t columns) {
  show(name, kept, rows, columns, columns);
}

/// A probe may change what it sees: its values are stored again.
void Transformer::show(std::string_view name, const Operand& kept, int64_t rows, int64_t columns,
                       int64_t ld) {
  if (!probe_) return;
  if (kept.precision() == Precision::kFloat32 && ld == columns)
    return show(name, kept.floats(), rows, columns);
  std::vector<float> values(static_cast<size_t>(rows * columns));
  for (int64_t r = 0; r < rows; ++r) load_values(columns, kept.at(r * ld), values.data() + r * columns);
  show(name, values.data(), rows, columns);
  store_values(rows, columns, values.data(), columns, kept, ld);
}

PassSeconds Transformer::take_seconds() {
  return std::exchange(seconds_, {});
}

void Transformer::logits(float* logits) {
  for (int64_t first = 0; first < M_; first += head_rows_) {
    const int64_t rows = std::min(head_rows_, M_ - first);
    product(compute_, rows, {t_.final_normed + first * C_, C_}, head_weight_, logits + first * V_);
  }
}

}  // namespace pretrain
