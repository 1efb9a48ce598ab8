#pragma once
// LayerNorm over the last dimension, forward and backward. M rows of C channels, row-major.
// Source: Ba, Kiros and Hinton, "Layer Normalization", equations 3 and 4.

#include <cstdint>

#include "libs/tensor/compute.h"
#include "libs/tensor/operand.h"

namespace pretrain {

/// GPT-2's constant.
constexpr float kLayerNormEpsilon = 1e-5F;

/// out = (x - mean) * rstd * gamma + beta, row by row; keeps mean and rstd for the backward pass.
/// Shapes: x, out [M, C]; gamma, beta [C]; mean, rstd [M].
/// Aliasing: a float32 out may be x.
void layer_norm_forward(Compute& compute, const float* x, const float* gamma, const float* beta, int64_t M,
                        int64_t C, const Operand& out, float* mean, float* rstd);

/// dx += the gradient of the input, from y = xhat * gamma + beta with xhat = (x - mean) * rstd:
///   g = dy * gamma;  dx += rstd * (g - mean_c(g) - xhat * mean_c(g * xhat))
/// Shapes: dy, x, dx [M, C].
void layer_norm_backward(Compute& compute, const float* dy, const float* x, const float* gamma,
                         const float* mean, const float* rstd, int64_t M, int64_t C, float* dx);

/// dgamma (+)= sum over rows of dy * xhat;  dbeta (+)= sum over rows of dy.
/// Repeatability: rows are summed in order, whatever the number of threads.
void layer_norm_parameter_gradients(Compute& compute, const float* dy, const float* x, const float* mean,
                                    const float* rstd, int64_t M, int64_t C, bool accumulate, float* dgamma,
                                    float* dbeta);

}  // namespace pretrain
