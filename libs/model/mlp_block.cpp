// SPDX-License-Identifier: Apache-2.0
#include "libs/model/mlp_block.h"

#include "libs/tensor/activation.h"

namespace pretrain {

void MlpTensors::cut_kept(MemoryCutter& cutter, const PassShape& s) {
  const int64_t M = s.positions();
  norm = NormStatistics::cut(cutter, M);
  up_out = cutter.take_operand(s.precision, M, s.config.d_ff);
  if (!s.keeps_cheap()) return;
  normed = cutter.take_operand(s.precision, M, s.config.d_model);
  activated = cutter.take_operand(s.precision, M, s.config.d_ff);
}

void MlpTensors::cut_working(MemoryCutter& cutter, const PassShape& s) {
  const int64_t M = s.positions();
  if (!s.keeps_cheap()) {
    normed = cutter.take_operand(s.precision, M, s.config.d_model);
    activated = cutter.take_operand(s.precision, M, s.config.d_ff);
  }
  if (s.needs_sums()) dup_out = cutter.take(M, s.config.d_ff);
}

void MlpTensors::share_working(const MlpTensors& other, const PassShape& s) {
  if (!s.keeps_cheap()) {
    normed = other.normed;
    activated = other.activated;
  }
  dup_out = other.dup_out;
}

MlpBlock::MlpBlock(PassContext& context, const MlpParameters& at, const MlpTensors& tensors)
    : c_(context), norm_(context, at.norm), up_(context, at.up), down_(context, at.down), t_(tensors) {}

void MlpBlock::pack() {
  up_.pack();
  down_.pack();
}

void MlpBlock::forward(const float* x, float* out) {
  restore(x);
  down_.forward(t_.activated, out, {.added = x});
  c_.show("layer_out", out, c_.M, c_.config.d_model);
}

void MlpBlock::restore(const float* x) {
  norm_.forward(x, t_.normed, t_.norm);
  c_.show("normed2", t_.normed, c_.M, c_.config.d_model);
  up_.forward(t_.normed, sums_of(t_.up_out, t_.dup_out), {.kept = t_.up_out, .gelu = t_.activated});
  c_.show("up_out", t_.up_out, c_.M, c_.config.d_ff);
  c_.show("activated", t_.activated, c_.M, c_.config.d_ff);
}

// Forward was: out = x + down(gelu(up(norm(x)))).
void MlpBlock::backward(const float* x, const GradientSink& gradients, float* dx, float* dnarrow) {
  const bool recomputes = !c_.shape.keeps_cheap();
  down_.backward_input(dx, t_.dup_out,
                       {.gelu_input = t_.up_out, .gelu = recomputes ? t_.activated : Operand()});
  c_.show("dup_out", t_.dup_out, c_.M, c_.config.d_ff);
  down_.backward_parameters(t_.activated, dx, gradients);
  if (recomputes) norm_.forward(x, t_.normed, t_.norm);
  up_.backward_parameters(t_.normed, t_.dup_out, gradients);
  up_.backward_input(t_.dup_out, dnarrow);
  c_.show("dnormed2", dnarrow, c_.M, c_.config.d_model);
  norm_.backward(dnarrow, x, t_.norm, gradients, dx);
  c_.show("dmiddle", dx, c_.M, c_.config.d_model);
}

MlpDecoder::MlpDecoder(TokenContext& context, const MlpParameters& at)
    : c_(context), at_(at), wide_(static_cast<size_t>(context.config.d_ff)) {}

void MlpDecoder::step() {
  c_.norm(at_.norm);
  c_.linear(at_.up, c_.normed.data(), wide_.data());
  gelu_forward(c_.compute, wide_.data(), wide_.size(), wide_.data());
  c_.linear(at_.down, wide_.data(), c_.normed.data());
  c_.add_to_residual(c_.normed);
}

}  // namespace pretrain
