#include "libs/model/attention_block.h"

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

AttentionBlock::AttentionBlock(PassContext& context, CausalAttention& attention,
                               const AttentionParameters& at, const AttentionTensors& tensors)
    : c_(context),
      attention_(attention),
      norm_(context, at.norm),
      qkv_(context, at.qkv),
      output_(context, at.output),
      t_(tensors) {}

void AttentionBlock::pack() {
  qkv_.pack();
  output_.pack();
}

void AttentionBlock::forward(const float* x, float* out) {
  const int64_t C = c_.config.d_model;
  norm_.forward(x, t_.normed, t_.norm);
  c_.show("normed1", t_.normed, c_.M, C);
  qkv_.forward(t_.normed, sums_of(t_.qkv_out, t_.dqkv), {.kept = t_.qkv_out});
  c_.show("qkv_out", t_.qkv_out, c_.M, 3 * C);
  attention_.forward(t_.qkv_out, t_.attention_out, t_.log_sum_exp);
  c_.show("attention_out", t_.attention_out, c_.M, C);
  c_.show("log_sum_exp", t_.log_sum_exp, c_.M, c_.config.heads);
  output_.forward(t_.attention_out, out, {.added = x});
  c_.show("middle", out, c_.M, C);
}

// Forward was: out = x + output(attention(qkv(norm(x)))).
void AttentionBlock::backward(const float* x, const GradientSink& gradients, float* dx, float* dnarrow) {
  const int64_t C = c_.config.d_model;
  output_.backward_parameters(t_.attention_out, dx, gradients);
  output_.backward_input(dx, dnarrow);
  c_.show("dattention_out", dnarrow, c_.M, C);
  attention_.backward(t_.qkv_out, t_.attention_out, dnarrow, t_.log_sum_exp, t_.dqkv);
  c_.show("dqkv", t_.dqkv, c_.M, 3 * C);
  if (!c_.shape.keeps_cheap()) norm_.forward(x, t_.normed, t_.norm);
  qkv_.backward_parameters(t_.normed, t_.dqkv, gradients);
  qkv_.backward_input(t_.dqkv, dnarrow);
  c_.show("dnormed1", dnarrow, c_.M, C);
  norm_.backward(dnarrow, x, t_.norm, gradients, dx);
  c_.show("dlayer_in", dx, c_.M, C);
}

}  // namespace pretrain
