// SPDX-License-Identifier: Apache-2.0
// A run with a time budget: how much of it is spent, and the checkpoint at which its steps are fixed. What is
// trained before that checkpoint does not depend on the time, and what follows is decided by what it records.

#include <algorithm>
#include <chrono>
#include <string>

#include <nlohmann/json.hpp>

#include "libs/base/log.h"
#include "libs/base/units.h"
#include "libs/train/trainer.h"

namespace pretrain {
namespace {

/// The last evaluation may take longer than the one before, and the last save has to reach the disk.
constexpr double kFinishFactor = 1.2;
constexpr double kFinishSeconds = 0.5;

}  // namespace

double Trainer::clock_seconds() const {
  if (parts_.clock) return parts_.clock();
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

double Trainer::spent_seconds() const {
  return spent_before_ + clock_seconds() - clock_start_;
}

/// While the budget is open, the schedule is that of the longest run: its rate is at the peak.
void Trainer::begin_budget() {
  clock_start_ = clock_seconds();
  spent_before_ = on_disk_ ? state_.spent_seconds : options_.budget.setup_seconds;
  start_seconds_ = on_disk_ ? state_.start_seconds : options_.budget.setup_seconds;
  if (options_.budget.is_open()) options_.schedule.total_steps = options_.budget.most_steps;
}

void Trainer::note_first_step() {
  if (stepping_) return;
  stepping_ = true;
  start_seconds_ += clock_seconds() - clock_start_;
}

void Trainer::keep_spent_seconds() {
  state_.spent_seconds = spent_seconds();
  state_.start_seconds = stepping_ ? start_seconds_ : start_seconds_ + clock_seconds() - clock_start_;
}

/// As a checkpoint, this waits for the end of a stretch of bad or skipped steps.
void Trainer::fix_steps_when_due() {
  if (!options_.budget.is_open() || bad_stretch_.open() || skipping_) return;
  const auto steps = steps_to_fix(options_.budget, options_.schedule,
                                  {.step = state_.step,
                                   .spent_seconds = spent_seconds(),
                                   .start_seconds = start_seconds_,
                                   .finish_seconds = kFinishSeconds + kFinishFactor * evaluation_seconds_});
  if (steps) fix_steps(*steps);
}

/// The rate falls from the next step on, also where the machine was too slow to reach the end of the warmup.
void Trainer::fix_steps(uint64_t steps) {
  const uint64_t planned = options_.max_steps;
  options_.max_steps = options_.budget.steps = steps;
  options_.schedule.total_steps = steps;
  options_.schedule.warmup_steps = std::min(options_.schedule.warmup_steps, state_.step);
  options_.budget.is_fixed = true;
  parts_.configuration = parts_.fix_steps({.steps = steps, .warmup = options_.schedule.warmup_steps});
  recorder_.note_fixed_steps(steps);
  nlohmann::json changed = nlohmann::json::object();
  changed["steps"] = {std::to_string(planned), std::to_string(steps)};
  recorder_.note_settings(state_.step, changed);
  log_info("the run ends at step {} ({} were planned); its rate falls to zero from step {} on",
           format_count(steps), format_count(planned), format_count(state_.step));
  save();
}

}  // namespace pretrain
