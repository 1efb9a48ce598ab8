// SPDX-License-Identifier: Apache-2.0
#include "libs/model/norm.h"

#include "libs/tensor/layer_norm.h"

namespace pretrain {

RmsNormRows Norm::rows(const float* x) const {
  return {.x = x, .gain = c_.parameter(at_.gain), .M = c_.M, .C = c_.config.d_model};
}

void Norm::forward(const float* x, const Operand& out, const NormStatistics& s) const {
  if (at_.kind == NormKind::kRmsNorm)
    return rms_norm_forward(c_.compute, rows(x), static_cast<float>(c_.config.norm_epsilon), out, s.rstd);
  layer_norm_forward(c_.compute, {.x = x, .M = c_.M, .C = c_.config.d_model},
                     {c_.parameter(at_.gain), c_.parameter(*at_.bias)}, out, {s.mean, s.rstd});
}

void Norm::backward(const float* dy, const float* x, const NormStatistics& s, const GradientSink& gradients,
                    float* dx) const {
  if (at_.kind == NormKind::kRmsNorm) {
    rms_norm_gain_gradient(c_.compute, rows(x), s.rstd, dy, gradients.store(), gradients.values + at_.gain);
    rms_norm_backward(c_.compute, rows(x), s.rstd, dy, dx);
    return;
  }
  layer_norm_parameter_gradients(c_.compute, {.x = x, .M = c_.M, .C = c_.config.d_model}, {s.mean, s.rstd},
                                 dy, gradients.store(),
                                 {gradients.values + at_.gain, gradients.values + *at_.bias});
  layer_norm_backward(c_.compute, {.x = x, .M = c_.M, .C = c_.config.d_model}, c_.parameter(at_.gain),
                      {s.mean, s.rstd}, dy, dx);
}

}  // namespace pretrain
