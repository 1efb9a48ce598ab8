// SPDX-License-Identifier: Apache-2.0
#include "libs/optim/gradient_norm.h"

#include <cmath>

namespace pretrain {

double GradientNorm::operator()(Compute& compute, const float* gradients) {
  return std::sqrt(sum_of_squares_(compute, gradients));
}

double clipping_scale(double norm, double largest) {
  return largest > 0 && norm > largest ? largest / norm : 1.0;
}

}  // namespace pretrain
