// SPDX-License-Identifier: Apache-2.0
#include "libs/model/attention_block.h"

#include <algorithm>

#include "libs/tensor/vector_product.h"

namespace pretrain {

void AttentionTensors::cut_kept(MemoryCutter& cutter, const PassShape& s) {
  const int64_t M = s.positions();
  const int64_t C = s.config.d_model;
  norm = NormStatistics::cut(cutter, M);
  qkv_out = cutter.take_operand(s.precision, M, 3 * C);
  attention_out = cutter.take_operand(s.precision, M, C);
  log_sum_exp = cutter.take(M, s.config.heads);
  if (s.keeps_cheap()) normed = cutter.take_operand(s.precision, M, C);
}

void AttentionTensors::cut_working(MemoryCutter& cutter, const PassShape& s) {
  const int64_t M = s.positions();
  if (!s.keeps_cheap()) normed = cutter.take_operand(s.precision, M, s.config.d_model);
  if (s.needs_sums()) dqkv = cutter.take(M, 3 * s.config.d_model);
}

void AttentionTensors::share_working(const AttentionTensors& other, const PassShape& s) {
  if (!s.keeps_cheap()) normed = other.normed;
  dqkv = other.dqkv;
}

AttentionBlock::AttentionBlock(PassContext& context, const AttentionParameters& at,
                               const AttentionTensors& tensors)
    : c_(context), norm_(context, at.norm), qkv_(context, at.qkv), output_(context, at.output), t_(tensors) {}

void AttentionBlock::pack() {
  qkv_.pack();
  output_.pack();
}

void AttentionBlock::forward(const float* x, float* out) {
  restore(x);
  output_.forward(t_.attention_out, out, {.added = x});
  c_.show("middle", out, c_.M, c_.config.d_model);
}

void AttentionBlock::restore(const float* x) {
  const int64_t C = c_.config.d_model;
  norm_.forward(x, t_.normed, t_.norm);
  c_.show("normed1", t_.normed, c_.M, C);
  qkv_.forward(t_.normed, sums_of(t_.qkv_out, t_.dqkv), {.kept = t_.qkv_out});
  c_.show("qkv_out", t_.qkv_out, c_.M, 3 * C);
  c_.attention.forward(t_.qkv_out, t_.attention_out, t_.log_sum_exp);
  c_.show("attention_out", t_.attention_out, c_.M, C);
  c_.show("log_sum_exp", t_.log_sum_exp, c_.M, c_.config.heads);
}

// Forward was: out = x + output(attention(qkv(norm(x)))).
void AttentionBlock::backward(const float* x, const GradientSink& gradients, float* dx, float* dnarrow) {
  const int64_t C = c_.config.d_model;
  output_.backward_parameters(t_.attention_out, dx, gradients);
  output_.backward_input(dx, dnarrow);
  c_.show("dattention_out", dnarrow, c_.M, C);
  c_.attention.backward(t_.qkv_out, t_.attention_out, dnarrow, t_.log_sum_exp, t_.dqkv);
  c_.show("dqkv", t_.dqkv, c_.M, 3 * C);
  if (!c_.shape.keeps_cheap()) norm_.forward(x, t_.normed, t_.norm);
  qkv_.backward_parameters(t_.normed, t_.dqkv, gradients);
  qkv_.backward_input(t_.dqkv, dnarrow);
  c_.show("dnormed1", dnarrow, c_.M, C);
  norm_.backward(dnarrow, x, t_.norm, gradients, dx);
  c_.show("dlayer_in", dx, c_.M, C);
}

AttentionDecoder::AttentionDecoder(TokenContext& context, const AttentionParameters& at)
    : c_(context), at_(at) {
  const auto C = static_cast<size_t>(c_.config.d_model);
  const auto T = static_cast<size_t>(c_.config.context);
  keys_ = Buffer<float>(T * C);
  values_ = Buffer<float>(T * C);
  qkv_ = Buffer<float>(3 * C);
  mixed_ = Buffer<float>(C);
  scores_ = Buffer<float>(T * static_cast<size_t>(c_.config.heads));
}

void AttentionDecoder::step() {
  const int64_t C = c_.config.d_model;
  const int64_t D = c_.config.head_size();
  c_.norm(at_.norm);
  c_.linear(at_.qkv, c_.normed.data(), qkv_.data());
  std::copy_n(qkv_.data() + C, C, keys_.data() + c_.position * C);
  std::copy_n(qkv_.data() + 2 * C, C, values_.data() + c_.position * C);
  c_.compute.parallel_for(static_cast<size_t>(c_.config.heads), [&](size_t head) {
    const auto h = static_cast<int64_t>(head);
    attend_cached(qkv_.data() + h * D, keys_.data() + h * D, values_.data() + h * D, C, c_.position + 1, D,
                  scores_.data() + h * c_.config.context, mixed_.data() + h * D);
  });
  c_.linear(at_.output, mixed_.data(), c_.normed.data());
  c_.add_to_residual(c_.normed);
}

}  // namespace pretrain
