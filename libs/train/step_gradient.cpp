// SPDX-License-Identifier: Apache-2.0
#include "libs/train/step_gradient.h"

#include <algorithm>
#include <utility>

#include "libs/base/check.h"
#include "libs/tensor/reduction.h"
#include "libs/train/slot_plan.h"

namespace pretrain {

StepGradient::StepGradient(size_t size, uint32_t slots) {
  sums_.reserve(sums_at_once(slots));
  for (uint32_t i = 0; i < sums_at_once(slots); ++i) std::ranges::fill(sums_.emplace_back(size).span(), 0.0F);
}

void StepGradient::begin() {
  complete_ = 0;
  ended_ = 0;
  slot_empty_ = true;
  loss_ = 0;
  slot_loss_ = 0;
}

/// The first micro-batch overwrites the old gradient, so that it need not be cleared: one pass over memory
/// less.
StepGradient::Place StepGradient::next() {
  PRETRAIN_CHECK(complete_ < sums_.size(), "more slots than the {} sums are for", sums_.size());
  return {.gradients = sums_[complete_].data(), .accumulate = !std::exchange(slot_empty_, false)};
}

/// As a binary counter carries: after slots 0 to 3 the newest slot completes (2 3), and that ((0 1)(2 3)).
void StepGradient::end_slot(Compute& compute) {
  if (slot_empty_) {
    const Place place = next();
    std::fill_n(place.gradients, size(), 0.0F);
  }
  slot_empty_ = true;
  loss_ += std::exchange(slot_loss_, 0.0);
  ++complete_;
  ++ended_;
  for (uint32_t carry = ended_; carry % 2 == 0; carry /= 2) add_newest(compute);
}

/// Sums that are left are those of shorter and shorter ranges of slots: the shortest are added first.
double StepGradient::finish(Compute& compute) {
  if (ended_ == 0) std::ranges::fill(sums_.front().span(), 0.0F);
  while (complete_ > 1) add_newest(compute);
  return loss_;
}

void StepGradient::add_newest(Compute& compute) {
  --complete_;
  add(compute, sums_[complete_].data(), size(), sums_[complete_ - 1].data());
}

}  // namespace pretrain
