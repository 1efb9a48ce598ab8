// SPDX-License-Identifier: Apache-2.0
#pragma once
// The length of a gradient, and clipping to a largest length. Any optimizer may follow.

#include <cstddef>

#include "libs/tensor/reduction.h"

namespace pretrain {

/// Global norm: the root of the sum of squares over all tensors. Single-owner.
class GradientNorm {
 public:
  /// For flat arrays of `size` elements, padding between tensors included.
  explicit GradientNorm(size_t size) : sum_of_squares_(size) {}

  /// Not finite when any gradient is not.
  /// Requires: the padding is zero.
  double operator()(Compute& compute, const float* gradients);

 private:
  SumOfSquares sum_of_squares_;
};

/// The factor that scales gradients of this norm down to `largest`; 1 when they are no longer than that, or
/// when `largest` is 0.
/// Requires: norm is finite.
double clipping_scale(double norm, double largest);

}  // namespace pretrain
