// SPDX-License-Identifier: Apache-2.0
#include "libs/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace pretrain {

uint32_t BatchRamp::at(uint64_t step) const {
  if (step > steps) return most;
  return 1 + static_cast<uint32_t>((std::max<uint64_t>(step, 1) - 1) * (most - 1) / steps);
}

uint64_t BatchRamp::steps_for(double batches) const {
  uint64_t step = 0;
  while (step < steps && batches > 0) batches -= at(++step);
  return step + static_cast<uint64_t>(std::ceil(std::max(0.0, batches) / most));
}

uint64_t Schedule::stable_until() const {
  if (kind == ScheduleKind::kCooldown) return std::max(warmup_steps, cooldown_start);
  if (kind != ScheduleKind::kWsd) return warmup_steps;
  const double cooldown = std::round(cooldown_share * static_cast<double>(total_steps));
  return std::max(warmup_steps, total_steps - std::min(total_steps, static_cast<uint64_t>(cooldown)));
}

double Schedule::at(uint64_t step) const {
  const double batches = ramp.steps > 0 ? rate_scale_of_batch(ramp.at(step), ramp.most) : 1;
  return scale * batches * of_kind(step);
}

double Schedule::of_kind(uint64_t step) const {
  if (step <= warmup_steps) return peak * static_cast<double>(step) / static_cast<double>(warmup_steps);
  const uint64_t start = stable_until();
  if (!has_end() || step <= start || total_steps <= start) return peak;
  if (kind != ScheduleKind::kCosine) return cooled(std::min(step, total_steps));
  const double done =
      static_cast<double>(std::min(step, total_steps) - start) / static_cast<double>(total_steps - start);
  const double share = 0.5 * (1 + std::cos(std::numbers::pi * done));
  return peak * (final_share + (1 - final_share) * share);
}

double Schedule::cooled(uint64_t step) const {
  const uint64_t start = stable_until();
  const auto whole = static_cast<double>(total_steps + 1 - start);
  const double left = static_cast<double>(total_steps + 1 - step) / whole;
  const bool is_root = kind != ScheduleKind::kLinear && cooldown_shape == CooldownShape::kOneMinusRoot;
  return peak * (is_root ? 1 - std::sqrt(1 - left) : left);
}

double rate_scale_of_batch(double tokens, double reference) {
  return std::sqrt(tokens / reference);
}

}  // namespace pretrain
