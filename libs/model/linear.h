// SPDX-License-Identifier: Apache-2.0
#pragma once
// A linear layer y = x W + b over the positions of a pass, with its weights packed for both directions.

#include <cstdint>

#include "libs/model/parameter_table.h"
#include "libs/model/pass_context.h"
#include "libs/tensor/gemm.h"

namespace pretrain {

/// Where a product is summed up whose result is kept: in its place, or where its gradient will be if it is
/// rounded.
inline float* sums_of(const Operand& kept, float* gradient) {
  return kept.precision() == Precision::kFloat32 ? kept.floats() : gradient;
}

/// W may be stored as its transpose, and b may be missing.
/// Shapes: x [M, in], W [in, out], b [out], y [M, out]. Single-owner.
class Linear {
 public:
  /// Has a backward pass if the pass is one of training.
  Linear(PassContext& context, const LinearParameters& at);

  /// Packs W for its passes. To be called after each change of the parameters in use.
  void pack();

  /// y = x W + b, then what `then` asks for besides the bias.
  /// Aliasing: y is neither x nor then.added.
  void forward(const ConstOperand& x, float* y, Epilogue then = {});

  /// dx = dy W^T, then what `then` asks for.
  void backward_input(const float* dy, float* dx, const Epilogue& then = {});

  /// dW (+)= x^T dy;  db (+)= column sums of dy.
  void backward_parameters(const ConstOperand& x, const float* dy, const GradientSink& gradients);

 private:
  /// Packs dy, and adds up its columns for the bias.
  void pack_gradient(const float* dy, const GradientSink& gradients);

  PassContext& c_;
  LinearParameters at_;
  PackedMatrix weight_;             // [in, out]
  PackedMatrix weight_transposed_;  // [out, in], training only
};

}  // namespace pretrain
