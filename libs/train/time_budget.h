// SPDX-License-Identifier: Apache-2.0
#pragma once
// When the number of steps of a run with a time budget is decided. Until then the rate stays at its peak, which
// is the same for every number of steps; so the decision may depend on the time, and no weight before it does.

#include <chrono>
#include <cstdint>
#include <optional>

#include "libs/optim/schedule.h"

namespace pretrain {

/// The time that a whole run may take, and what its plan expects.
struct TimeBudget {
  std::chrono::milliseconds time{0};  ///< from the command to the last save, without pauses; 0: no budget
  double setup_seconds = 0;           ///< that were spent before a new run trains
  uint64_t most_steps = 0;            ///< that a machine faster than planned may train
  bool is_fixed = false;              ///< the number of steps is decided and recorded
  uint64_t steps = 0;        ///< that were decided, or are planned until then; a resume may raise them
  double bits_per_byte = 0;  ///< predicted for the end; 0: not known
  double uncertainty = 0;    ///< of it

  bool given() const { return time.count() > 0; }
  bool is_open() const { return given() && !is_fixed; }
  /// Whether a run of so many steps ends where its plan says. A resume may have given it others.
  bool decides(uint64_t max_steps) const { return is_open() || (given() && max_steps == steps); }
};

/// How fast a run has been, over all of its sessions. Pauses don't count.
struct BudgetPace {
  uint64_t step = 0;          ///< that was finished
  double spent_seconds = 0;   ///< of the budget
  double start_seconds = 0;   ///< those of them that passed before the first steps of the sessions
  double finish_seconds = 0;  ///< that the last evaluation and the last save will take
};

/// What is decided then.
struct FixedSteps {
  uint64_t steps = 0;   ///< of the whole run
  uint64_t warmup = 0;  ///< steps of it; fewer than planned when the machine was too slow to reach its end
};

/// The steps of the whole run that fit into its budget, once the cooldown of a run of that length has to start;
/// empty as long as it may still train at the peak.
/// Requires: an open budget; `schedule` has a cooldown share.
std::optional<uint64_t> steps_to_fix(const TimeBudget& budget, const Schedule& schedule,
                                     const BudgetPace& pace);

}  // namespace pretrain
