// SPDX-License-Identifier: Apache-2.0
#pragma once
// RMSNorm over the last dimension, forward and backward. M rows of C channels, row-major.
// Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", equation 4.

#include <cstdint>

#include "libs/tensor/compute.h"
#include "libs/tensor/operand.h"
#include "libs/tensor/store.h"

namespace pretrain {

/// Rows to normalise and what stretches them.
struct RmsNormRows {
  const float* x = nullptr;     ///< [M, C]
  const float* gain = nullptr;  ///< [C]
  int64_t M = 0;
  int64_t C = 0;
};

/// out = x * rstd * gain, rstd = 1 / sqrt(mean(x^2) + epsilon), row by row; keeps rstd for the backward pass.
/// Shapes: out [M, C]; rstd [M].
/// Aliasing: a float32 out may be x.
void rms_norm_forward(Compute& compute, const RmsNormRows& rows, float epsilon, const Operand& out,
                      float* rstd);

/// dx += the gradient of the input, from y = xhat * gain with xhat = x * rstd:
///   g = dy * gain;  dx += rstd * (g - xhat * mean_c(g * xhat))
/// Shapes: dy, dx [M, C]; rstd [M].
void rms_norm_backward(Compute& compute, const RmsNormRows& rows, const float* rstd, const float* dy,
                       float* dx);

/// dgain (+)= sum over rows of dy * xhat.
/// Repeatability: rows are summed in order, whatever the number of threads.
void rms_norm_gain_gradient(Compute& compute, const RmsNormRows& rows, const float* rstd, const float* dy,
                            Store store, float* dgain);

}  // namespace pretrain
