// SPDX-License-Identifier: Apache-2.0
#include "libs/model/gated_mlp_block.h"

#include "libs/tensor/swiglu.h"

namespace pretrain {

void GatedMlpTensors::cut_kept(MemoryCutter& cutter, const PassShape& s) {
  const int64_t M = s.positions();
  const int64_t F = s.config.d_ff;
  norm = NormStatistics::cut(cutter, M);
  gate_out = cutter.take_operand(s.precision, M, F);
  up_out = cutter.take_operand(s.precision, M, F);
  if (!s.keeps_cheap()) return;
  normed = cutter.take_operand(s.precision, M, s.config.d_model);
  hidden = cutter.take_operand(s.precision, M, F);
}

void GatedMlpTensors::cut_working(MemoryCutter& cutter, const PassShape& s) {
  const int64_t M = s.positions();
  const int64_t F = s.config.d_ff;
  if (!s.keeps_cheap()) {
    normed = cutter.take_operand(s.precision, M, s.config.d_model);
    hidden = cutter.take_operand(s.precision, M, F);
  }
  if (!s.needs_sums()) return;
  dgate_out = cutter.take(M, F);
  dup_out = cutter.take(M, F);
}

void GatedMlpTensors::share_working(const GatedMlpTensors& other, const PassShape& s) {
  if (!s.keeps_cheap()) {
    normed = other.normed;
    hidden = other.hidden;
  }
  dgate_out = other.dgate_out;
  dup_out = other.dup_out;
}

GatedMlpBlock::GatedMlpBlock(PassContext& context, const GatedMlpParameters& at,
                             const GatedMlpTensors& tensors)
    : c_(context),
      norm_(context, at.norm),
      gate_(context, at.gate),
      up_(context, at.up),
      down_(context, at.down),
      t_(tensors) {}

void GatedMlpBlock::pack() {
  gate_.pack();
  up_.pack();
  down_.pack();
}

void GatedMlpBlock::forward(const float* x, float* out) {
  restore(x);
  down_.forward(t_.hidden, out, {.added = x});
  c_.show("layer_out", out, c_.M, c_.config.d_model);
}

// The second product finishes the hidden values while its columns are in cache.
void GatedMlpBlock::restore(const float* x) {
  const int64_t F = c_.config.d_ff;
  norm_.forward(x, t_.normed, t_.norm);
  c_.show("normed2", t_.normed, c_.M, c_.config.d_model);
  gate_.forward(t_.normed, sums_of(t_.gate_out, t_.dgate_out), {.kept = t_.gate_out});
  c_.show("gate_out", t_.gate_out, c_.M, F);
  up_.forward(t_.normed, sums_of(t_.up_out, t_.dup_out),
              {.kept = t_.up_out, .swiglu = {.gate = t_.gate_out, .gated = t_.hidden}});
  c_.show("up_out", t_.up_out, c_.M, F);
  c_.show("hidden", t_.hidden, c_.M, F);
}

// Forward was: out = x + down(silu(gate(h)) * up(h)), h = norm(x).
void GatedMlpBlock::backward(const float* x, const GradientSink& gradients, float* dx, float* dnarrow) {
  const int64_t F = c_.config.d_ff;
  const bool recomputes = !c_.shape.keeps_cheap();
  down_.backward_input(dx, t_.dup_out,
                       {.swiglu = {.gate = t_.gate_out,
                                   .up = t_.up_out,
                                   .dgate = t_.dgate_out,
                                   .gated = recomputes ? t_.hidden : Operand()}});
  c_.show("dgate_out", t_.dgate_out, c_.M, F);
  c_.show("dup_out", t_.dup_out, c_.M, F);
  down_.backward_parameters(t_.hidden, dx, gradients);
  if (recomputes) norm_.forward(x, t_.normed, t_.norm);
  gate_.backward_parameters(t_.normed, t_.dgate_out, gradients);
  up_.backward_parameters(t_.normed, t_.dup_out, gradients);
  gate_.backward_input(t_.dgate_out, dnarrow);
  up_.backward_input(t_.dup_out, dnarrow, {.added = dnarrow});
  c_.show("dnormed2", dnarrow, c_.M, c_.config.d_model);
  norm_.backward(dnarrow, x, t_.norm, gradients, dx);
  c_.show("dmiddle", dx, c_.M, c_.config.d_model);
}

GatedMlpDecoder::GatedMlpDecoder(TokenContext& context, const GatedMlpParameters& at)
    : c_(context),
      at_(at),
      gate_(static_cast<size_t>(context.config.d_ff)),
      up_(static_cast<size_t>(context.config.d_ff)) {}

void GatedMlpDecoder::step() {
  c_.norm(at_.norm);
  c_.linear(at_.gate, c_.normed.data(), gate_.data());
  c_.linear(at_.up, c_.normed.data(), up_.data());
  swiglu_forward_block(1, c_.config.d_ff, 0, gate_.data(), up_.data(), up_.data());
  c_.linear(at_.down, up_.data(), c_.normed.data());
  c_.add_to_residual(c_.normed);
}

}  // namespace pretrain
