// SPDX-License-Identifier: Apache-2.0
#include "libs/train/evaluation_plan.h"

#include <array>

namespace pretrain {
namespace {

/// The loss falls fastest at the start, so the first interval has evaluations at these parts of it, too.
constexpr std::array<uint64_t, 4> kEarlyParts{16, 8, 4, 2};
constexpr uint64_t kLeastSteps = 25;  // earlier ones would cost more than they tell

}  // namespace

/// A function of the step alone, so that a resumed run evaluates at the same steps.
bool evaluation_is_due(uint64_t every, uint64_t step) {
  if (every == 0 || step == 0) return false;
  if (step % every == 0) return true;
  for (const uint64_t part : kEarlyParts) {
    if (step == every / part && step >= kLeastSteps) return true;
  }
  return false;
}

/// For the time left. Counts without a loop over the steps, of which there may be millions.
uint64_t evaluations_between(uint64_t every, uint64_t after, uint64_t last) {
  if (every == 0 || last <= after) return 0;
  uint64_t count = last / every - after / every;
  for (const uint64_t part : kEarlyParts) {
    const uint64_t step = every / part;
    if (step > after && step <= last && step >= kLeastSteps) ++count;
  }
  return count;
}

}  // namespace pretrain
