// SPDX-License-Identifier: Apache-2.0
#include "libs/model/output_head.h"

#include <algorithm>
#include <numeric>

#include "libs/model/scoped_seconds.h"
#include "libs/tensor/loss.h"

namespace pretrain {

int64_t head_chunk_rows(int64_t M, int64_t V) {
  // Large enough that a chunk's products are efficient, small enough that the logits stay near 32 MB.
  constexpr int64_t kLogitsPerChunk = 8'388'608;
  const int64_t rows = std::clamp<int64_t>(kLogitsPerChunk / V / 64 * 64, 64, 512);
  return std::min(M, rows);
}

void HeadTensors::cut_kept(MemoryCutter& cutter, const PassShape& s) {
  const int64_t M = s.positions();
  norm = NormStatistics::cut(cutter, M);
  losses = cutter.take(M);
  normed = cutter.take(M, s.config.d_model);
}

void HeadTensors::cut_working(MemoryCutter& cutter, const PassShape& s) {
  logits = cutter.take(head_chunk_rows(s.positions(), s.config.vocabulary), s.config.vocabulary);
}

OutputHead::OutputHead(PassContext& context, const HeadParameters& at, const HeadTensors& tensors)
    : c_(context),
      t_(tensors),
      norm_(context, at.norm),
      embedding_(at.weight),
      C_(context.config.d_model),
      V_(context.config.vocabulary),
      chunk_(head_chunk_rows(context.M, V_)),
      weight_(context.shape.precision, C_, V_) {
  if (context.shape.training) transposed_ = PackedMatrix(context.shape.precision, V_, C_);
}

void OutputHead::pack() {
  const float* embedding = c_.parameter(embedding_);
  weight_.pack_transposed(c_.compute, embedding, C_);
  if (c_.shape.training) transposed_.pack(c_.compute, embedding, C_);
}

void OutputHead::forward(const float* x) const {
  norm_.forward(x, t_.normed, t_.norm);
  c_.show("final_normed", t_.normed, c_.M, C_);
}

double OutputHead::loss(const int32_t* targets) {
  for (int64_t first = 0; first < c_.M; first += chunk_) {
    chunk_loss(targets, first, std::min(chunk_, c_.M - first), 0);
  }
  return sum_of_losses();
}

// Each chunk's gradient is made in the place of its logits and used up before the next chunk.
double OutputHead::loss_and_gradients(const int32_t* targets, float gradient_scale,
                                      const GradientSink& gradients, float* dnormed) {
  for (int64_t first = 0; first < c_.M; first += chunk_) {
    const int64_t rows = std::min(chunk_, c_.M - first);
    chunk_loss(targets, first, rows, gradient_scale);
    chunk_backward(first, rows, {gradients.values, gradients.accumulate || first > 0}, dnormed);
  }
  return sum_of_losses();
}

void OutputHead::chunk_loss(const int32_t* targets, int64_t first, int64_t rows, float gradient_scale) {
  const ScopedSeconds timed(c_.seconds.forward, &c_.seconds.loss);
  product(c_.compute, rows, {t_.normed + first * C_, C_}, weight_, t_.logits);
  c_.show("logits", t_.logits, rows, V_);
  softmax_cross_entropy(c_.compute, {.logits = t_.logits, .targets = targets + first, .rows = rows, .V = V_},
                        gradient_scale, t_.losses + first, c_.shape.precision);
  c_.show("losses", t_.losses + first, rows);
}

// Forward was: logits = h E^T. dh = dlogits E;  dE (+)= dlogits^T h
void OutputHead::chunk_backward(int64_t first, int64_t rows, const GradientSink& gradients, float* dnormed) {
  const ScopedSeconds timed(c_.seconds.backward, &c_.seconds.loss);
  const auto [dlogits, ld] = gradient_of_logits(t_.logits, V_, c_.shape.precision);
  c_.show("dlogits", dlogits, rows, V_, ld);
  product(c_.compute, rows, {dlogits, ld}, transposed_, dnormed + first * C_);
  c_.show("dhidden", dnormed + first * C_, rows, C_);
  PackedMatrix& hidden = c_.packed_gradient;
  hidden.reshape(rows, C_);
  hidden.pack(c_.compute, t_.normed + first * C_, C_);
  float* dembedding = gradients.values + embedding_;
  product(c_.compute, V_, MatrixView(dlogits, ld).transposed(), hidden, dembedding,
          {.added = gradients.accumulate ? dembedding : nullptr});
}

double OutputHead::sum_of_losses() const {
  return std::accumulate(t_.losses, t_.losses + c_.M, 0.0);
}

void OutputHead::backward(const float* x, const float* dnormed, const GradientSink& gradients,
                          float* dx) const {
  std::fill_n(dx, c_.M * C_, 0.0F);  // the norm adds to it
  norm_.backward(dnormed, x, t_.norm, gradients, dx);
  c_.show("dx", dx, c_.M, C_);
}

void OutputHead::logits(float* logits) const {
  for (int64_t first = 0; first < c_.M; first += chunk_) {
    const int64_t rows = std::min(chunk_, c_.M - first);
    product(c_.compute, rows, {t_.normed + first * C_, C_}, weight_, logits + first * V_);
  }
}

}  // namespace pretrain
