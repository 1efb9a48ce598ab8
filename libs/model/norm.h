// SPDX-License-Identifier: Apache-2.0
#pragma once
// The normalisation of a layer's input over M rows of C channels: a LayerNorm or an RMSNorm.

#include <cstdint>

#include "libs/model/memory_cutter.h"
#include "libs/model/parameter_table.h"
#include "libs/model/pass_context.h"
#include "libs/tensor/rms_norm.h"

namespace pretrain {

/// What the backward pass needs of the forward pass.
struct NormStatistics {
  float *mean, *rstd;  // [M]; an RMSNorm has no mean

  static NormStatistics cut(MemoryCutter& cutter, int64_t M) {
    return {.mean = cutter.take(M), .rstd = cutter.take(M)};
  }
};

/// One norm of a model.
/// Shapes: x, out, dy, dx [M, C].
class Norm {
 public:
  Norm(PassContext& context, const NormParameters& at) : c_(context), at_(at) {}

  void forward(const float* x, const Operand& out, const NormStatistics& statistics) const;

  /// dx += the gradient of x, and the gradients of gain and bias.
  void backward(const float* dy, const float* x, const NormStatistics& statistics,
                const GradientSink& gradients, float* dx) const;

 private:
  RmsNormRows rows(const float* x) const;

  PassContext& c_;
  NormParameters at_;
};

}  // namespace pretrain
