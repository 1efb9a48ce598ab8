// SPDX-License-Identifier: Apache-2.0
#include "libs/train/step_gradient.h"

#include <algorithm>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/hash.h"
#include "libs/tensor/reduction.h"
#include "libs/tensor/rounded_sum.h"

namespace pretrain {

/// Slots are added in a tree whose shape depends on their numbers alone: like the carry of a binary counter, two sums
/// of equal size become one. So the sum has the same bits for any division into ranges, and only about log2(slots)
/// sums wait at once.
StepGradient::StepGradient(size_t size, uint32_t slots, Precision exchange)
    : slots_(slots), exchange_(exchange), losses_(slots) {
  sums_.reserve(sums_at_once(slots));
  for (uint32_t i = 0; i < sums_at_once(slots); ++i) std::ranges::fill(sums_.emplace_back(size).span(), 0.0F);
  range_ = {0, slots};
}

void StepGradient::begin(const SlotRange& range) {
  PRETRAIN_CHECK(range.first <= range.last && range.last <= slots_, "slots {} to {} of {}", range.first,
                 range.last, slots_);
  if (range != range_) reserve(sums_at_once(range));
  range_ = range;
  next_slot_ = range.first;
  complete_.clear();
  slot_empty_ = true;
  completed_ = 0;
  slot_loss_ = 0;
  watched_hash_.reset();
  std::ranges::fill(losses_, 0.0);
}

/// Zeros, because the padding between tensors is never written but is part of the sum.
void StepGradient::reserve(uint32_t sums) {
  while (sums_.size() < sums) std::ranges::fill(sums_.emplace_back(size()).span(), 0.0F);
}

/// The first micro-batch overwrites the old gradient, so that it need not be cleared: one pass over memory
/// less.
StepGradient::Place StepGradient::next() {
  PRETRAIN_CHECK(next_slot_ < range_.last, "more slots than {} to {}", range_.first, range_.last);
  return {.gradients = sums_[complete_.size()].data(), .accumulate = !std::exchange(slot_empty_, false)};
}

void StepGradient::add_elements(Compute& compute, size_t left, size_t right, const ElementRange& part) {
  const float* x = sums_[right].data() + part.first;
  float* sums = sums_[left].data() + part.first;
  if (exchange_ == Precision::kBf16) {
    add_rounded_to_bf16(compute, x, part.size(), sums);
  } else {
    add(compute, x, part.size(), sums);
  }
}

/// The gradient of the slot under way is complete in these elements.
void StepGradient::end_elements(Compute& compute, const ElementRange& part) {
  if (exchange_ == Precision::kBf16)
    round_to_bf16(compute, part.size(), sums_[complete_.size()].data() + part.first);
}

void StepGradient::complete_part(Compute& compute, const ElementRange& part) {
  PRETRAIN_CHECK(!slot_empty_ && !is_watched(next_slot_), "slot {} completed in parts", next_slot_);
  completed_ += part.size();
  end_elements(compute, part);
  complete_.add_as_pushed({0, next_slot_}, complete_.size(),
                          [&](size_t left, size_t right) { add_elements(compute, left, right, part); });
}

/// A slot without a row still counts as a sum of zeros: the tree must not depend on the batch.
void StepGradient::end_slot(Compute& compute) {
  if (slot_empty_) {
    const Place place = next();
    std::fill_n(place.gradients, size(), 0.0F);
  }
  slot_empty_ = true;
  PRETRAIN_CHECK(completed_ == 0 || completed_ == size(), "{} of {} elements", completed_, size());
  const bool in_parts = std::exchange(completed_, 0) > 0;
  if (!in_parts) end_elements(compute, {0, size()});
  if (watched_ == next_slot_)
    watched_hash_ = hash64(std::as_bytes(std::as_const(sums_[complete_.size()]).span()));
  losses_[next_slot_] = std::exchange(slot_loss_, 0.0);
  complete_.push({0, next_slot_}, complete_.size(), [&](size_t left, size_t right) {
    if (!in_parts) add_elements(compute, left, right, {0, size()});
  });
  ++next_slot_;
}

/// Folds what is left from the right, the smallest sums first.
double StepGradient::finish(Compute& compute) {
  if (complete_.empty()) std::ranges::fill(sums_.front().span(), 0.0F);
  complete_.fold([&](size_t left, size_t right) { add_elements(compute, left, right, {0, size()}); });
  return total_loss();
}

std::vector<StepGradient::PartialSum> StepGradient::partial_sums() {
  std::vector<PartialSum> sums;
  for (const SumNode& node : complete_sums(range_)) sums.push_back({node, sums_[sums.size()].data()});
  return sums;
}

/// In the order of the slots, whichever machine computed them.
double StepGradient::total_loss() const {
  double total = 0;
  for (const double loss : losses_) total += loss;
  return total;
}

}  // namespace pretrain
