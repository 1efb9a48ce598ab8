// SPDX-License-Identifier: Apache-2.0
#pragma once
// Makes the snapshot of a run from its events: smooths and sums them, and estimates when the run ends.
//
//   progress.begin(limits, known, now);
//   progress.note_step(record);              // and the other notes, as things happen
//   const RunSnapshot run = progress.snapshot(now);

#include <chrono>
#include <optional>

#include "libs/checkpoint/writer.h"
#include "libs/train/observer.h"
#include "libs/train/run_snapshot.h"

namespace pretrain {

/// Facts from before the session.
struct KnownAtStart {
  uint64_t step = 0, tokens = 0;
  std::optional<StepEvaluation> validation = {};
  std::optional<uint64_t> saved_step = {};  ///< of the checkpoint that the session begins with
  std::optional<std::chrono::nanoseconds> since_save = {};  ///< its age
};

/// Single-owner. The clock is the caller's.
class RunProgress {
 public:
  using Time = std::chrono::steady_clock::time_point;

  void begin(const RunLimits& limits, const KnownAtStart& known, Time now);

  void note_phase(RunPhase phase) { run_.phase = phase; }
  void note_step(const StepRecord& record);
  /// A step that was skipped on the user's request.
  void note_skipped_step(uint64_t step, uint64_t tokens, uint32_t epoch);
  /// The run has returned to this step.
  void note_return(uint64_t step);
  void note_evaluation(const StepEvaluation& evaluation) { run_.validation = evaluation; }
  void note_saved(const SaveResult& result, Time now);
  void note_best(const std::optional<BestEvaluation>& best) { run_.best = best; }
  /// The seconds that the last evaluation, or all samples of a step, took.
  void note_evaluation_time(double seconds) { evaluation_seconds_ = seconds; }
  void note_sample_time(double seconds) { sample_seconds_ = seconds; }
  void note_paused(PauseReason reason) { run_.pause = reason; }
  /// A pause has ended.
  void note_pause(std::chrono::nanoseconds time) {
    run_.pause.reset();
    start_ += std::chrono::duration_cast<Time::duration>(time);
  }
  void note_machine(const MachineEvent& event);
  /// The steps of a run with a budget are fixed.
  void note_fixed_steps(uint64_t steps) {
    run_.limits.max_steps = run_.limits.budget.steps = steps;
    run_.limits.budget.is_fixed = true;
  }
  void note_lost_records(const LostRecords& lost_records) { run_.lost_records = lost_records; }

  RunSnapshot snapshot(Time now) const;

 private:
  void note_place(uint64_t step, uint64_t tokens, uint32_t epoch);
  std::optional<double> seconds_left(Time now) const;
  std::optional<PlannedEnd> planned_end(Time now) const;
  double other_work_seconds(double steps_left) const;

  RunSnapshot run_;  // without the values that depend on the time
  Time start_;
  std::optional<Time> saved_at_;
  uint64_t applied_steps_ = 0;
  double wait_seconds_ = 0, exchange_seconds_ = 0, hidden_seconds_ = 0;
  double evaluation_seconds_ = 0, sample_seconds_ = 0;
};

}  // namespace pretrain
