// SPDX-License-Identifier: Apache-2.0
#include "libs/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "libs/base/error.h"

namespace pretrain {

double Schedule::at(uint64_t step) const {
  if (step <= warmup_steps) return peak * static_cast<double>(step) / static_cast<double>(warmup_steps);
  if (kind == ScheduleKind::kConstant || total_steps <= warmup_steps) return peak;
  const double done = static_cast<double>(std::min(step, total_steps) - warmup_steps) /
                      static_cast<double>(total_steps - warmup_steps);
  const double share = 0.5 * (1 + std::cos(std::numbers::pi * done));
  return peak * (final_share + (1 - final_share) * share);
}

ScheduleKind parse_schedule(std::string_view name) {
  if (name == "constant") return ScheduleKind::kConstant;
  if (name == "cosine") return ScheduleKind::kCosine;
  fail(ErrorKind::kUsage, "schedule '{}' is not known; use constant or cosine", name);
}

std::string_view to_string(ScheduleKind kind) {
  return kind == ScheduleKind::kCosine ? "cosine" : "constant";
}

}  // namespace pretrain
