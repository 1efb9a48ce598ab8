// SPDX-License-Identifier: Apache-2.0
#include "libs/train/step_gradient.h"

#include <algorithm>
#include <utility>

namespace pretrain {

StepGradient::StepGradient(size_t size) : values_(size) {
  std::ranges::fill(values_.span(), 0.0F);
}

void StepGradient::begin() {
  empty_ = true;
  loss_ = 0;
}

/// The first micro-batch overwrites the old gradient, so that it need not be cleared: one pass over memory
/// less.
StepGradient::Place StepGradient::next() {
  return {.gradients = values_.data(), .accumulate = !std::exchange(empty_, false)};
}

double StepGradient::finish() {
  if (empty_) std::ranges::fill(values_.span(), 0.0F);
  return loss_;
}

}  // namespace pretrain
