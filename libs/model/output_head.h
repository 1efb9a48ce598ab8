// SPDX-License-Identifier: Apache-2.0
#pragma once
// The end of a pass: the final norm, and the loss from logits that exist in chunks of rows only.
// Letters: M positions, C d_model, V vocabulary.

#include <cstdint>
#include <string_view>

#include <fmt/format.h>

#include "libs/model/input_embedding.h"
#include "libs/model/norm.h"
#include "libs/tensor/gemm.h"

namespace pretrain {

/// Where the head's tensors are in the flat array.
struct HeadParameters {
  NormParameters norm;
  size_t weight;  // [V, C], that of the token embedding or of its own
};

/// A tied head's matrix is the token embedding.
struct HeadSpec {
  NormSpec norm;
  std::string_view weight = {};  ///< NAME.weight of one that is not tied; empty: there is none

  HeadParameters add_to(ParameterTable& table, const ModelConfig& config,
                        const EmbeddingParameters& embedding) const {
    HeadParameters at{.norm = table.add_norm("", norm, config.d_model), .weight = embedding.tokens};
    if (!config.tied) {
      at.weight = table.add(fmt::format("{}.weight", weight), {config.vocabulary, config.d_model},
                            ParameterRole::kMatrix, MatrixOrder::kOutIn);
    }
    return at;
  }
};

/// Rows of logits that exist at once for a micro-batch of M positions.
int64_t head_chunk_rows(int64_t M, int64_t V);

struct HeadTensors {
  NormStatistics norm;
  float* normed;  // [M, C], float32: its place becomes that of the gradient of the residual stream
  float* losses;  // [M]
  // In use only while no layer is at work.
  float* logits;  // [head_chunk_rows, V], then their gradient

  void cut_kept(MemoryCutter& cutter, const PassShape& shape);
  void cut_working(MemoryCutter& cutter, const PassShape& shape);
};

/// logits = norm(x) E^T with E the token embedding (a tied head). Single-owner.
class OutputHead {
 public:
  OutputHead(PassContext& context, const HeadParameters& at, const HeadTensors& tensors);

  /// After each change of the parameters in use.
  void pack();

  /// The final norm.
  /// Shapes: x [M, C].
  void forward(const float* x) const;

  /// Sum of the losses of the targets that count, in nats.
  /// Requires: forward().
  /// Shapes: targets [M].
  double loss(const int32_t* targets);

  /// The same, and the gradient of (gradient_scale * sum of losses) by the normed output in `dnormed`, and by
  /// the embedding. Overwrites the normed output's place only in backward().
  /// Shapes: dnormed [M, C].
  double loss_and_gradients(const int32_t* targets, float gradient_scale, const GradientSink& gradients,
                            float* dnormed);

  /// dx = the gradient of x, from that of the normed output.
  /// Shapes: x, dnormed, dx [M, C].
  /// Aliasing: dx may be in the place of the normed output.
  void backward(const float* x, const float* dnormed, const GradientSink& gradients, float* dx) const;

  /// Logits of every position after forward().
  /// Shapes: logits [M, V].
  void logits(float* logits) const;

 private:
  void chunk_loss(const int32_t* targets, int64_t first, int64_t rows, float gradient_scale);
  void chunk_backward(int64_t first, int64_t rows, const GradientSink& gradients, float* dnormed);
  double sum_of_losses() const;

  PassContext& c_;
  const HeadTensors& t_;
  Norm norm_;
  size_t embedding_;  // in the flat array
  int64_t C_, V_;
  int64_t chunk_;            // rows of one chunk of logits
  PackedMatrix weight_;      // [C, V]
  PackedMatrix transposed_;  // [V, C], training only
};

}  // namespace pretrain
