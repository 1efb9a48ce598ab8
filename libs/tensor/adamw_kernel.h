// SPDX-License-Identifier: Apache-2.0
#pragma once
// The AdamW update of a range of parameters in one pass over memory.
// Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", algorithm 2; Chen et al., "Cautious Weight
// Decay", algorithm 1.

#include <cstddef>

namespace pretrain {

/// The numbers of one step that all parameters share.
struct AdamWStep {
  float learning_rate;
  float beta1, beta2;
  float inverse_correction1;  ///< 1 / (1 - beta1^t)
  float inverse_correction2;  ///< 1 / (1 - beta2^t)
  float epsilon;
  float gradient_scale;  ///< the clipping factor
  bool cautious_decay = false;
};

/// g = gradient_scale * gradient;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
/// u = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon);  p -= learning_rate * (u + weight_decay * p).
/// A cautious decay leaves out weight_decay * p where u and p have opposite signs.
/// Runs on the calling thread.
/// Shapes: all [count].
void adamw_update(const AdamWStep& step, float weight_decay, size_t count, const float* gradient,
                  float* parameter, float* m, float* v);

}  // namespace pretrain
