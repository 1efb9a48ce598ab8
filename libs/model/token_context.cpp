// SPDX-License-Identifier: Apache-2.0
#include "libs/model/token_context.h"

#include "libs/tensor/layer_norm.h"
#include "libs/tensor/rms_norm.h"
#include "libs/tensor/vector_product.h"

namespace pretrain {

TokenContext::TokenContext(Compute& threads, const ModelConfig& sizes, const float* flat_parameters,
                           size_t scratch_floats)
    : compute(threads),
      config(sizes),
      parameters(flat_parameters),
      rotary(make_rotary_table(sizes)),
      residual(static_cast<size_t>(sizes.d_model)),
      normed(static_cast<size_t>(sizes.d_model)),
      scratch_(scratch_floats) {}

void TokenContext::norm(const NormParameters& at) {
  float mean = 0;
  float rstd = 0;
  if (at.kind == NormKind::kRmsNorm) {
    rms_norm_forward(compute, {.x = residual.data(), .gain = parameter(at.gain), .M = 1, .C = config.d_model},
                     static_cast<float>(config.norm_epsilon), normed.data(), &rstd);
    return;
  }
  layer_norm_forward(compute, {.x = residual.data(), .M = 1, .C = config.d_model},
                     {parameter(at.gain), parameter(*at.bias)}, normed.data(), {&mean, &rstd});
}

void TokenContext::linear(const LinearParameters& at, const float* x, float* out) {
  const float* bias = at.bias ? parameter(*at.bias) : nullptr;
  if (at.order == MatrixOrder::kInOut) {
    vector_times_matrix(compute, x, parameter(at.weight), bias, at.in, at.out, scratch_.data(), out);
    return;
  }
  matrix_times_vector(compute, parameter(at.weight), x, at.out, at.in, out);
  for (int64_t n = 0; bias != nullptr && n < at.out; ++n) out[n] += bias[n];
}

void TokenContext::add_to_residual(const Buffer<float>& branch) {
  for (size_t c = 0; c < residual.size(); ++c) residual[c] += branch[c];
}

}  // namespace pretrain
