// SPDX-License-Identifier: Apache-2.0
#pragma once
// Learning rate as a function of the step.

#include <cstdint>
#include <string>
#include <string_view>

namespace pretrain {

enum class ScheduleKind { kConstant, kCosine };

struct Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  double peak = 1e-3;
  double final_share = 0.1;   ///< cosine ends at this share of the peak
  uint64_t warmup_steps = 0;  ///< linear from peak / warmup to peak
  uint64_t total_steps = 0;   ///< cosine only: step at which the end is reached

  /// Rate of the update number `step`, counted from 1.
  /// Source: Loshchilov and Hutter, "SGDR", equation 5, without restarts.
  double at(uint64_t step) const;
};

/// Errors: kUsage.
ScheduleKind parse_schedule(std::string_view name);
std::string_view to_string(ScheduleKind kind);

}  // namespace pretrain
