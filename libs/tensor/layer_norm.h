// SPDX-License-Identifier: Apache-2.0
#pragma once
// LayerNorm over the last dimension, forward and backward. M rows of C channels, row-major.
// Source: Ba, Kiros and Hinton, "Layer Normalization", equations 3 and 4.

#include <cstdint>

#include "libs/tensor/compute.h"
#include "libs/tensor/operand.h"
#include "libs/tensor/store.h"

namespace pretrain {

/// GPT-2's constant.
constexpr float kLayerNormEpsilon = 1e-5F;

/// The input of a norm.
struct LayerNormRows {
  const float* x = nullptr;  ///< [M, C]
  int64_t M = 0;
  int64_t C = 0;
};

struct LayerNormParameters {
  const float* gamma = nullptr;  ///< [C]
  const float* beta = nullptr;   ///< [C]
};

struct LayerNormGradients {
  float* gamma = nullptr;  ///< [C]
  float* beta = nullptr;   ///< [C]
};

/// Of each row, kept for the backward pass. Float: float, or const float once they are only read.
template <typename Float>
struct LayerNormStatistics {
  Float* mean = nullptr;  ///< [M]
  Float* rstd = nullptr;  ///< [M]
};

/// out = (x - mean) * rstd * gamma + beta, row by row; fills the statistics.
/// Shapes: out [M, C].
/// Aliasing: a float32 out may be x.
void layer_norm_forward(Compute& compute, const LayerNormRows& rows, const LayerNormParameters& parameters,
                        const Operand& out, const LayerNormStatistics<float>& statistics);

/// dx += the gradient of the input, from y = xhat * gamma + beta with xhat = (x - mean) * rstd:
///   g = dy * gamma;  dx += rstd * (g - mean_c(g) - xhat * mean_c(g * xhat))
/// Shapes: gamma [C]; dy, dx [M, C].
void layer_norm_backward(Compute& compute, const LayerNormRows& rows, const float* gamma,
                         const LayerNormStatistics<const float>& statistics, const float* dy, float* dx);

/// dgamma (+)= sum over rows of dy * xhat;  dbeta (+)= sum over rows of dy.
/// Shapes: dy [M, C].
/// Repeatability: rows are summed in order, whatever the number of threads.
void layer_norm_parameter_gradients(Compute& compute, const LayerNormRows& rows,
                                    const LayerNormStatistics<const float>& statistics, const float* dy,
                                    Store store, const LayerNormGradients& gradients);

}  // namespace pretrain
