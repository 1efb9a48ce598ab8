// SPDX-License-Identifier: Apache-2.0
#pragma once
// The steps that led to a state from the last checkpoint that is known to be safe, so that a head that has lost it can count
// them and read their text again.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "libs/train/step_maker.h"

namespace pretrain {

/// The newest ones, in order. Single-owner.
class MadeSteps {
 public:
  /// Bounds the memory, and a message that has all of them: three megabytes. More steps than this between two
  /// checkpoints are those of a toy.
  static constexpr size_t kMost = 65'536;

  void push(const MadeStep& made) {
    if (steps_.size() == kMost) steps_.pop_front();
    steps_.push_back(made);
  }
  void replace(std::span<const MadeStep> steps) { steps_.assign(steps.begin(), steps.end()); }
  void forget_up_to(uint64_t step) {
    while (!steps_.empty() && steps_.front().step <= step) steps_.pop_front();
  }
  std::vector<MadeStep> after(uint64_t step) const {
    std::vector<MadeStep> found;
    for (const MadeStep& made : steps_) {
      if (made.step > step) found.push_back(made);
    }
    return found;
  }
  std::vector<MadeStep> all() const { return {steps_.begin(), steps_.end()}; }

 private:
  std::deque<MadeStep> steps_;
};

}  // namespace pretrain
