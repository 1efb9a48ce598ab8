// SPDX-License-Identifier: Apache-2.0
#include "libs/model/rotary_attention_block.h"

#include <algorithm>

#include "libs/tensor/vector_product.h"

namespace pretrain {
namespace {

const float* parameter_or_null(const auto& context, const std::optional<size_t>& offset) {
  return offset ? context.parameter(*offset) : nullptr;
}

}  // namespace

void RotaryAttentionTensors::cut_kept(MemoryCutter& cutter, const PassShape& s) {
  const int64_t M = s.positions();
  norm = NormStatistics::cut(cutter, M);
  qkv_out = cutter.take_operand(s.precision, M, s.config.qkv_width());
  attention_out = cutter.take_operand(s.precision, M, s.config.attention_width());
  log_sum_exp = cutter.take(M, s.config.heads);
  if (s.keeps_cheap()) normed = cutter.take_operand(s.precision, M, s.config.d_model);
}

void RotaryAttentionTensors::cut_working(MemoryCutter& cutter, const PassShape& s) {
  const int64_t M = s.positions();
  if (!s.keeps_cheap()) normed = cutter.take_operand(s.precision, M, s.config.d_model);
  if (s.needs_sums()) dqkv = cutter.take(M, s.config.qkv_width());
  if (s.training) dattention_out = cutter.take(M, s.config.attention_width());
}

void RotaryAttentionTensors::share_working(const RotaryAttentionTensors& other, const PassShape& s) {
  if (!s.keeps_cheap()) normed = other.normed;
  dqkv = other.dqkv;
  dattention_out = other.dattention_out;
}

RotaryAttentionBlock::RotaryAttentionBlock(PassContext& context, const RotaryAttentionParameters& at,
                                           const RotaryAttentionTensors& tensors)
    : c_(context),
      at_(at),
      norm_(context, at.norm),
      qkv_(context, at.qkv),
      output_(context, at.output),
      t_(tensors) {}

void RotaryAttentionBlock::pack() {
  qkv_.pack();
  output_.pack();
}

AttentionTurn RotaryAttentionBlock::turn() const {
  return {.rotary = &*c_.rotary,
          .q_gain = parameter_or_null(c_, at_.q_gain),
          .k_gain = parameter_or_null(c_, at_.k_gain),
          .epsilon = static_cast<float>(c_.config.norm_epsilon)};
}

void RotaryAttentionBlock::forward(const float* x, float* out) {
  restore(x);
  output_.forward(t_.attention_out, out, {.added = x});
  c_.show("middle", out, c_.M, c_.config.d_model);
}

void RotaryAttentionBlock::restore(const float* x) {
  norm_.forward(x, t_.normed, t_.norm);
  c_.show("normed1", t_.normed, c_.M, c_.config.d_model);
  qkv_.forward(t_.normed, sums_of(t_.qkv_out, t_.dqkv), {.kept = t_.qkv_out});
  c_.show("qkv_out", t_.qkv_out, c_.M, c_.config.qkv_width());
  c_.attention.forward(t_.qkv_out, t_.attention_out, t_.log_sum_exp, turn());
  c_.show("attention_out", t_.attention_out, c_.M, c_.config.attention_width());
  c_.show("log_sum_exp", t_.log_sum_exp, c_.M, c_.config.heads);
}

// Forward was: out = x + output(attention(turn(q), turn(k), v)), q, k and v of norm(x).
void RotaryAttentionBlock::backward(const float* x, const GradientSink& gradients, float* dx,
                                    float* dnarrow) {
  output_.backward_parameters(t_.attention_out, dx, gradients);
  output_.backward_input(dx, t_.dattention_out);
  c_.show("dattention_out", t_.dattention_out, c_.M, c_.config.attention_width());
  AttentionGainGradients gains{.store = gradients.store()};
  if (at_.q_gain) gains.q = gradients.values + *at_.q_gain;
  if (at_.k_gain) gains.k = gradients.values + *at_.k_gain;
  c_.attention.backward(t_.qkv_out, t_.attention_out, t_.dattention_out, t_.log_sum_exp, t_.dqkv, turn(),
                        gains);
  c_.show("dqkv", t_.dqkv, c_.M, c_.config.qkv_width());
  if (!c_.shape.keeps_cheap()) norm_.forward(x, t_.normed, t_.norm);
  qkv_.backward_parameters(t_.normed, t_.dqkv, gradients);
  qkv_.backward_input(t_.dqkv, dnarrow);
  c_.show("dnormed1", dnarrow, c_.M, c_.config.d_model);
  norm_.backward(dnarrow, x, t_.norm, gradients, dx);
  c_.show("dlayer_in", dx, c_.M, c_.config.d_model);
}

RotaryAttentionDecoder::RotaryAttentionDecoder(TokenContext& context, const RotaryAttentionParameters& at)
    : c_(context), at_(at) {
  const ModelConfig& config = context.config;
  const auto T = static_cast<size_t>(config.context);
  const auto cached = static_cast<size_t>(config.key_value_heads() * config.head_size());
  keys_ = Buffer<float>(T * cached);
  values_ = Buffer<float>(T * cached);
  qkv_ = Buffer<float>(static_cast<size_t>(config.qkv_width()));
  mixed_ = Buffer<float>(static_cast<size_t>(config.attention_width()));
  scores_ = Buffer<float>(T * static_cast<size_t>(config.heads));
}

/// Turns queries and keys in their place.
void RotaryAttentionDecoder::turn_heads() {
  const ModelConfig& config = c_.config;
  const int64_t D = config.head_size();
  const auto epsilon = static_cast<float>(config.norm_epsilon);
  const HeadTurn queries{&*c_.rotary, parameter_or_null(c_, at_.q_gain), epsilon};
  const HeadTurn keys{&*c_.rotary, parameter_or_null(c_, at_.k_gain), epsilon};
  for (int64_t h = 0; h < config.heads + config.key_value_heads(); ++h) {
    float* head = qkv_.data() + h * D;
    turn_rows(h < config.heads ? queries : keys, c_.position, 1, head, D, head, D);
  }
}

void RotaryAttentionDecoder::step() {
  const ModelConfig& config = c_.config;
  const int64_t D = config.head_size();
  const int64_t cached = config.key_value_heads() * D;
  const int64_t group = config.heads / config.key_value_heads();
  c_.norm(at_.norm);
  c_.linear(at_.qkv, c_.normed.data(), qkv_.data());
  turn_heads();
  const float* keys = qkv_.data() + config.attention_width();
  std::copy_n(keys, cached, keys_.data() + c_.position * cached);
  std::copy_n(keys + cached, cached, values_.data() + c_.position * cached);
  c_.compute.parallel_for(static_cast<size_t>(config.heads), [&](size_t head) {
    const auto h = static_cast<int64_t>(head);
    const int64_t shared = h / group * D;
    attend_cached(qkv_.data() + h * D, keys_.data() + shared, values_.data() + shared, cached,
                  c_.position + 1, D, scores_.data() + h * config.context, mixed_.data() + h * D);
  });
  c_.linear(at_.output, mixed_.data(), c_.normed.data());
  c_.add_to_residual(c_.normed);
}

}  // namespace pretrain
