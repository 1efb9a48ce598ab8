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

size_t elements(int64_t rows, int64_t columns = 1) {
  return static_cast<size_t>(rows * columns);
}

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

}  // namespace

/// One layer: its products and what its forward pass keeps for the backward pass. What is cheap to compute
/// again (norm outputs, GELU outputs) is not kept.
struct Transformer::Layer {
  Layer(Compute& compute, const ModelConfig& c, int64_t rows, int64_t M)
      : qkv(compute, M, c.d_model, 3 * c.d_model),
        attention(compute, M, c.d_model, c.d_model),
        up(compute, M, c.d_model, c.d_ff),
        down(compute, M, c.d_ff, c.d_model),
        mean1(elements(M)),
        rstd1(elements(M)),
        qkv_out(elements(M, 3 * c.d_model)),
        attention_out(elements(M, c.d_model)),
        log_sum_exp(elements(rows * c.heads, c.context)),
        middle(elements(M, c.d_model)),
        mean2(elements(M)),
        rstd2(elements(M)),
        up_out(elements(M, c.d_ff)) {}

  Linear qkv, attention, up, down;
  Buffer<float> mean1, rstd1;   // [M]
  Buffer<float> qkv_out;        // [M, 3C]
  Buffer<float> attention_out;  // [M, C]
  Buffer<float> log_sum_exp;    // [B, H, T]
  Buffer<float> middle;         // [M, C], the residual stream between attention and MLP
  Buffer<float> mean2, rstd2;   // [M]
  Buffer<float> up_out;         // [M, F], before the activation
};

/// Gradients on their way down, shared by all layers.
struct Transformer::BackwardMemory {
  BackwardMemory(const ModelConfig& c, int64_t M)
      : dx(elements(M, c.d_model)),
        dnarrow(elements(M, c.d_model)),
        dwide(elements(M, c.d_ff)),
        dqkv(elements(M, 3 * c.d_model)),
        packed(PackedMatrix::size_floats(M, std::max(3 * c.d_model, c.d_ff))) {}

  Buffer<float> dx;       // [M, C], the gradient of the residual stream
  Buffer<float> dnarrow;  // [M, C]
  Buffer<float> dwide;    // [M, F]
  Buffer<float> dqkv;     // [M, 3C]
  PackedMatrix packed;    // the gradient of a layer's output, for the product with its input
};

int64_t head_chunk_rows(int64_t M, int64_t V) {
  // Large enough that a chunk's products are efficient, small enough that the logits stay near 32 MB.
  constexpr int64_t kLogitsPerChunk = 8'388'608;
  const int64_t rows = std::clamp<int64_t>(kLogitsPerChunk / V / 64 * 64, 64, 512);
  return std::min(M, rows);
}

Transformer::Transformer(Compute& compute, const ModelConfig& config, int64_t rows, bool training)
    : compute_(compute),
      config_(config),
      layout_(config),
      B_(rows),
      T_(config.context),
      M_(rows * config.context),
      C_(config.d_model),
      F_(config.d_ff),
      V_(config.vocabulary),
      attention_(compute, {.B = B_, .T = T_, .H = config.heads, .D = config.head_size()}),
      head_rows_(head_chunk_rows(M_, V_)),
      head_weight_(C_, V_),
      residual_(elements(residual_buffers() * M_, C_)),
      normed_(elements(M_, C_)),
      activated_(elements(M_, F_)),
      final_normed_(elements(M_, C_)),
      final_mean_(elements(M_)),
      final_rstd_(elements(M_)),
      logits_(elements(head_rows_, V_)),
      losses_(elements(M_)) {
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    layers_.push_back(std::make_unique<Layer>(compute, config, rows, M_));
  }
  if (training) {
    head_transposed_ = PackedMatrix(V_, C_);
    backward_ = std::make_unique<BackwardMemory>(config, M_);
  }
}

Transformer::~Transformer() = default;

void Transformer::use_parameters(const float* parameters) {
  parameters_ = parameters;
  const bool training = backward_ != nullptr;
  for (size_t l = 0; l < layers_.size(); ++l) {
    const BlockOffsets& at = layout_.blocks()[l];
    layers_[l]->qkv.pack(parameter(at.qkv_weight), training);
    layers_[l]->attention.pack(parameter(at.attention_weight), training);
    layers_[l]->up.pack(parameter(at.up_weight), training);
    layers_[l]->down.pack(parameter(at.down_weight), training);
  }
  const float* embedding = parameter(layout_.token_embedding());
  head_weight_.pack_transposed(compute_, embedding, C_);
  if (training) head_transposed_.pack(compute_, embedding, C_);
}

void Transformer::forward(const uint32_t* inputs) {
  PRETRAIN_CHECK(parameters_ != nullptr, "no parameters in use");
  embed_forward(compute_, inputs, parameter(layout_.token_embedding()),
                parameter(layout_.position_embedding()), M_, T_, C_, residual(0));
  show("embedded", residual(0), M_, C_);
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    const auto index = static_cast<size_t>(layer);
    forward_layer(*layers_[index], layout_.blocks()[index], residual(layer), residual(layer + 1));
  }
  layer_norm_forward(compute_, residual(config_.layers), parameter(layout_.final_norm_gain()),
                     parameter(layout_.final_norm_bias()), M_, C_, final_normed_.data(), final_mean_.data(),
                     final_rstd_.data());
  show("final_normed", final_normed_.data(), M_, C_);
}

// middle = x + attention(norm1(x));  x_out = middle + mlp(norm2(middle))
void Transformer::forward_layer(Layer& layer, const BlockOffsets& at, const float* x, float* x_out) {
  layer_norm_forward(compute_, x, parameter(at.norm1_gain), parameter(at.norm1_bias), M_, C_, normed_.data(),
                     layer.mean1.data(), layer.rstd1.data());
  show("normed1", normed_.data(), M_, C_);
  layer.qkv.forward(normed_.data(), parameter(at.qkv_bias), layer.qkv_out.data());
  show("qkv_out", layer.qkv_out.data(), M_, 3 * C_);
  attention_.forward(layer.qkv_out.data(), layer.attention_out.data(), layer.log_sum_exp.data());
  show("attention_out", layer.attention_out.data(), M_, C_);
  show("log_sum_exp", layer.log_sum_exp.data(), M_, config_.heads);
  layer.attention.forward(layer.attention_out.data(), parameter(at.attention_bias), layer.middle.data(),
                          {.added = x});
  show("middle", layer.middle.data(), M_, C_);

  layer_norm_forward(compute_, layer.middle.data(), parameter(at.norm2_gain), parameter(at.norm2_bias), M_,
                     C_, normed_.data(), layer.mean2.data(), layer.rstd2.data());
  show("normed2", normed_.data(), M_, C_);
  layer.up.forward(normed_.data(), parameter(at.up_bias), layer.up_out.data(), {.gelu = activated_.data()});
  show("up_out", layer.up_out.data(), M_, F_);
  show("activated", activated_.data(), M_, F_);
  layer.down.forward(activated_.data(), parameter(at.down_bias), x_out, {.added = layer.middle.data()});
  show("layer_out", x_out, M_, C_);
}

// logits = h E^T in chunks of rows, h the normed output and E the token embedding; each chunk's gradient is
// made in place and used up before the next chunk.
double Transformer::head(const int32_t* targets, float gradient_scale, bool accumulate, float* gradients) {
  for (int64_t first = 0; first < M_; first += head_rows_) {
    const int64_t rows = std::min(head_rows_, M_ - first);
    {
      const ScopedSeconds timed(seconds_.forward, &seconds_.loss);
      product(compute_, rows, {final_normed_.data() + first * C_, C_}, head_weight_, logits_.data());
      show("logits", logits_.data(), rows, V_);
      softmax_cross_entropy(compute_, logits_.data(), targets + first, rows, V_, gradient_scale,
                            losses_.data() + first);
      show("losses", losses_.data() + first, rows);
    }
    if (gradients != nullptr) head_chunk_backward(first, rows, accumulate || first > 0, gradients);
  }
  return std::accumulate(losses_.data(), losses_.data() + M_, 0.0);
}

// dh = dlogits E;  dE (+)= dlogits^T h
void Transformer::head_chunk_backward(int64_t first, int64_t rows, bool accumulate, float* gradients) {
  const ScopedSeconds timed(seconds_.backward, &seconds_.loss);
  show("dlogits", logits_.data(), rows, V_);
  product(compute_, rows, {logits_.data(), V_}, head_transposed_, backward_->dnarrow.data() + first * C_);
  show("dhidden", backward_->dnarrow.data() + first * C_, rows, C_);
  PackedMatrix& hidden = backward_->packed;
  hidden.reshape(rows, C_);
  hidden.pack(compute_, final_normed_.data() + first * C_, C_);
  float* dembedding = gradients + layout_.token_embedding();
  product(compute_, V_, MatrixView(logits_.data(), V_).transposed(), hidden, dembedding,
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
  PRETRAIN_CHECK(backward_ != nullptr, "made for evaluation only");
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
  BackwardMemory& memory = *backward_;
  const float* x = residual(config_.layers);
  layer_norm_parameter_gradients(compute_, memory.dnarrow.data(), x, final_mean_.data(), final_rstd_.data(),
                                 M_, C_, accumulate, gradients + layout_.final_norm_gain(),
                                 gradients + layout_.final_norm_bias());
  std::fill_n(memory.dx.data(), memory.dx.size(), 0.0F);
  layer_norm_backward(compute_, memory.dnarrow.data(), x, parameter(layout_.final_norm_gain()),
                      final_mean_.data(), final_rstd_.data(), M_, C_, memory.dx.data());
  show("dx", memory.dx.data(), M_, C_);
  for (int64_t layer = config_.layers - 1; layer >= 0; --layer) {
    const auto index = static_cast<size_t>(layer);
    backward_layer(*layers_[index], layout_.blocks()[index], residual(layer), accumulate, gradients);
  }
  embed_backward(compute_, inputs, memory.dx.data(), M_, T_, C_, accumulate,
                 gradients + layout_.token_embedding(), gradients + layout_.position_embedding());
  show("gradients", gradients, static_cast<int64_t>(layout_.flat_size()));
}

// Forward was: middle = x + attention(norm1(x));  x_out = middle + down(gelu(up(norm2(middle)))).
// dx holds the gradient of x_out on entry and that of x on return: each branch adds to it.
void Transformer::backward_layer(Layer& layer, const BlockOffsets& at, const float* x, bool accumulate,
                                 float* gradients) {
  BackwardMemory& memory = *backward_;
  float* dx = memory.dx.data();
  float* dnarrow = memory.dnarrow.data();
  float* dwide = memory.dwide.data();

  layer.down.backward_input(dx, dwide, {.gelu_input = layer.up_out.data(), .gelu = activated_.data()});
  show("dup_out", dwide, M_, F_);
  layer.down.backward_parameters(activated_.data(), dx, accumulate, gradients + at.down_weight,
                                 gradients + at.down_bias, memory.packed);
  layer_norm_forward(compute_, layer.middle.data(), parameter(at.norm2_gain), parameter(at.norm2_bias), M_,
                     C_, normed_.data(), layer.mean2.data(), layer.rstd2.data());
  layer.up.backward_parameters(normed_.data(), dwide, accumulate, gradients + at.up_weight,
                               gradients + at.up_bias, memory.packed);
  layer.up.backward_input(dwide, dnarrow);
  show("dnormed2", dnarrow, M_, C_);
  layer_norm_parameter_gradients(compute_, dnarrow, layer.middle.data(), layer.mean2.data(),
                                 layer.rstd2.data(), M_, C_, accumulate, gradients + at.norm2_gain,
                                 gradients + at.norm2_bias);
  layer_norm_backward(compute_, dnarrow, layer.middle.data(), parameter(at.norm2_gain), layer.mean2.data(),
                      layer.rstd2.data(), M_, C_, dx);
  show("dmiddle", dx, M_, C_);

  layer.attention.backward_parameters(layer.attention_out.data(), dx, accumulate,
                                      gradients + at.attention_weight, gradients + at.attention_bias,
                                      memory.packed);
  layer.attention.backward_input(dx, dnarrow);
  show("dattention_out", dnarrow, M_, C_);
  attention_.backward(layer.qkv_out.data(), layer.attention_out.data(), dnarrow, layer.log_sum_exp.data(),
                      memory.dqkv.data());
  show("dqkv", memory.dqkv.data(), M_, 3 * C_);
  layer_norm_forward(compute_, x, parameter(at.norm1_gain), parameter(at.norm1_bias), M_, C_, normed_.data(),
                     layer.mean1.data(), layer.rstd1.data());
  layer.qkv.backward_parameters(normed_.data(), memory.dqkv.data(), accumulate, gradients + at.qkv_weight,
                                gradients + at.qkv_bias, memory.packed);
  layer.qkv.backward_input(memory.dqkv.data(), dnarrow);
  show("dnormed1", dnarrow, M_, C_);
  layer_norm_parameter_gradients(compute_, dnarrow, x, layer.mean1.data(), layer.rstd1.data(), M_, C_,
                                 accumulate, gradients + at.norm1_gain, gradients + at.norm1_bias);
  layer_norm_backward(compute_, dnarrow, x, parameter(at.norm1_gain), layer.mean1.data(), layer.rstd1.data(),
                      M_, C_, dx);
  show("dlayer_in", dx, M_, C_);
}

PassSeconds Transformer::take_seconds() {
  return std::exchange(seconds_, {});
}

void Transformer::logits(float* logits) {
  for (int64_t first = 0; first < M_; first += head_rows_) {
    const int64_t rows = std::min(head_rows_, M_ - first);
    product(compute_, rows, {final_normed_.data() + first * C_, C_}, head_weight_, logits + first * V_);
  }
}

}  // namespace pretrain
