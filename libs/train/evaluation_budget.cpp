// SPDX-License-Identifier: Apache-2.0
#include "libs/train/evaluation_budget.h"

#include <algorithm>
#include <limits>

namespace pretrain {

double evaluation_seconds_left(std::chrono::milliseconds max_time, double spent_seconds) {
  // Together with the last evaluation, which is always made, at most about a fifth of the time.
  constexpr double kShare = 0.1;
  if (max_time.count() == 0) return std::numeric_limits<double>::infinity();
  return std::max(0.0, kShare * std::chrono::duration<double>(max_time).count() - spent_seconds);
}

bool EvaluationForecast::goes_on(double elapsed_seconds) {
  ++done_;
  expected_seconds_ = elapsed_seconds * static_cast<double>(parts_) / static_cast<double>(done_);
  // The first part is slower, because it touches memory and packs weights for the first time.
  constexpr uint64_t kEnough = 2;
  if (elapsed_seconds > most_seconds_) return false;
  return done_ < kEnough || expected_seconds_ <= most_seconds_;
}

}  // namespace pretrain
