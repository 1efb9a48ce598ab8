// SPDX-License-Identifier: Apache-2.0
#include "libs/train/step_maker.h"

#include "libs/optim/gradient_norm.h"

namespace pretrain {

/// Clipping is a factor for the update, so that the gradient is not written once more.
void update(const Replica& replica, const StepResult& result, double learning_rate) {
  replica.optimizer.update({.learning_rate = learning_rate,
                            .gradient_scale = clipping_scale(result.gradient_norm, replica.gradient_clip)},
                           replica.pass.gradients(), replica.parameters.data());
}

}  // namespace pretrain
