// SPDX-License-Identifier: Apache-2.0
#include "libs/train/guard.h"

#include <algorithm>

namespace pretrain {

/// A stretch of failures whose first step was recorded before fails in the replay too, so its batches or the
/// state are the cause and another return would not help: the run stops.
GuardVerdict NonFiniteGuard::record(bool finite, uint64_t step, uint64_t batch) {
  if (finite) {
    in_a_row.clear();
    return GuardVerdict::kGoOn;
  }
  ++total;
  in_a_row.push_back({step, batch});
  if (in_a_row.size() < kMaximumInARow || has_recorded(step)) return GuardVerdict::kGoOn;
  return has_recorded(in_a_row.front().step) ? GuardVerdict::kStop : GuardVerdict::kReturn;
}

/// The checkpoint's guard does not know the failures after it, which is what the replay is compared with.
void NonFiniteGuard::remember(const NonFiniteGuard& newer) {
  recorded = newer.recorded;
  recorded.insert(recorded.end(), newer.in_a_row.begin(), newer.in_a_row.end());
}

void NonFiniteGuard::forget_up_to(uint64_t step) {
  std::erase_if(recorded, [&](const GuardedStep& guarded) { return guarded.step <= step; });
}

bool NonFiniteGuard::has_recorded(uint64_t step) const {
  return std::ranges::find(recorded, step, &GuardedStep::step) != recorded.end();
}

/// The history only covers consecutive steps, so a gap starts it again.
bool StepHistory::agrees(uint64_t step, uint64_t digest) {
  constexpr size_t kMost = 1'000'000;  // 8 MB
  if (const auto index = index_of(step)) return digests_[*index] == digest;
  if (digests_.empty() || step != first_step_ + digests_.size()) {
    digests_.clear();
    first_step_ = step;
  }
  digests_.push_back(digest);
  if (digests_.size() > kMost) forget_up_to(first_step_);
  return true;
}

/// Called after each save, so the history only covers what a return could replay.
void StepHistory::forget_up_to(uint64_t step) {
  while (!digests_.empty() && first_step_ <= step) {
    digests_.pop_front();
    ++first_step_;
  }
}

std::optional<size_t> StepHistory::index_of(uint64_t step) const {
  if (step < first_step_ || step >= first_step_ + digests_.size()) return std::nullopt;
  return step - first_step_;
}

}  // namespace pretrain
