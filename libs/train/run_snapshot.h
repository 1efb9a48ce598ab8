// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a run is doing at one moment. Whatever the user sees of it (live line, status lines, the service
// manager's status, the summary) is a text made of this; RunRecorder alone computes it.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/metrics/event_log.h"
#include "libs/metrics/run_log.h"
#include "libs/train/evaluation.h"
#include "libs/train/run_control.h"
#include "libs/train/time_budget.h"

namespace pretrain {

/// What ends a run, and how long an epoch is. 0: no such limit, or not known.
struct RunLimits {
  uint64_t max_steps = 0, max_tokens = 0, max_epochs = 0;  ///< of the whole run
  uint64_t epoch_tokens = 0;                               ///< estimated
  std::chrono::milliseconds max_time{0};                   ///< of this session
  TimeBudget budget = {};                                  ///< of the whole run
  double spent_seconds = 0;                                ///< of the budget, when the session began
  uint64_t evaluate_every = 0, sample_every = 0;           ///< steps; they take time, too
};

/// What the plan of a run with a budget expects, and how much of the budget is spent.
struct PlannedEnd {
  double budget_seconds = 0, spent_seconds = 0;
  double bits_per_byte = 0, uncertainty = 0;  ///< predicted for the end
  bool is_fixed = false;                      ///< the number of steps is decided
};

/// What the trainer does.
enum class RunPhase {
  kStarting,  ///< the first batch is not there yet
  kTraining,
  kEvaluating,
  kSampling,
  kPaused,
  kFinishing,  ///< the last evaluation is made, or the last save
};

/// What one of several machines does of each step.
struct MachineShare {
  std::string machine;  ///< its name and address
  uint32_t slots = 0;
  double slots_per_second = 0;  ///< as measured; 0: not yet
};

struct RunSnapshot {
  RunPhase phase = RunPhase::kStarting;
  RunLimits limits = {};
  uint64_t step = 0, tokens = 0;  ///< of the whole run
  uint32_t epoch = 0;             ///< from 0
  std::optional<double> epoch_progress =
      {};                           ///< 0 to 1, estimated; nothing when an epoch's length is not known
  std::optional<double> loss = {};  ///< nats, smoothed; nothing before the first step that was applied
  std::optional<StepEvaluation> validation = {};  ///< the newest
  std::optional<BestEvaluation> best = {};        ///< of the whole run, as far as its record is known
  std::optional<PlannedEnd> plan = {};            ///< of a run with a budget
  std::optional<PauseReason> pause = {};          ///< while paused
  double learning_rate = 0;
  double tokens_per_second = 0;  ///< smoothed
  double utilization = 0;        ///< share of the machine's peak, smoothed
  double wait_share = 0;         ///< share of the time in steps that training waits for text
  std::optional<std::chrono::nanoseconds> time_left = {};   ///< nothing without a limit, or not known yet
  std::optional<std::chrono::nanoseconds> since_save = {};  ///< nothing before the first save
  std::optional<uint64_t> saved_step = {};                  ///< of the newest checkpoint
  std::string failed_save = {};  ///< "checkpoint of step 20 failed: ..."; empty once a later one succeeded
  // Of this session:
  uint64_t steps = 0;
  double step_seconds = 0;
  uint64_t bad_steps = 0;      ///< not finite, so that nothing was changed by them
  uint64_t skipped_steps = 0;  ///< because the user wanted it
  uint64_t returns = 0;        ///< to a checkpoint, because of bad steps
  LostRecords lost_records = {};
  uint32_t machines = 0;  ///< that train; 0 for a run that shares no steps
  uint64_t lost_machines = 0, joined_machines = 0;
  std::vector<MachineShare> shares = {};  ///< of the machines that train, the head first
  double exchange_share = 0;  ///< share of the time in steps in which gradients are only exchanged
  double hidden_share = 0;    ///< share of the time of exchanges in which gradients are still computed
};

}  // namespace pretrain
