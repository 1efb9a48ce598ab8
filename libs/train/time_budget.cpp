// SPDX-License-Identifier: Apache-2.0
#include "libs/train/time_budget.h"

#include <algorithm>
#include <cmath>

namespace pretrain {
namespace {

/// Share of the budget that is not planned, because no two steps take the same time.
constexpr double kReserve = 0.02;
/// The first steps of a run take longer than the others: they touch all memory.
constexpr uint64_t kFirstSteps = 3;

}  // namespace

std::optional<uint64_t> steps_to_fix(const TimeBudget& budget, const Schedule& schedule,
                                     const BudgetPace& pace) {
  if (pace.step < kFirstSteps) return std::nullopt;
  const double all = std::chrono::duration<double>(budget.time).count() * (1 - kReserve);
  const double step_seconds = (pace.spent_seconds - pace.start_seconds) / static_cast<double>(pace.step);
  const double left = std::max(0.0, all - pace.spent_seconds - pace.finish_seconds);
  const auto most = static_cast<double>(std::max(budget.most_steps, pace.step + 1));
  const double more = step_seconds > 0 ? left / step_seconds : most;
  const double fitting = std::floor(std::min(static_cast<double>(pace.step) + more, most));
  const double last_at_peak = fitting * (1 - schedule.cooldown_share);
  if (static_cast<double>(pace.step) < last_at_peak) return std::nullopt;
  return std::max(static_cast<uint64_t>(fitting), pace.step + 1);
}

}  // namespace pretrain
