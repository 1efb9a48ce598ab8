// SPDX-License-Identifier: Apache-2.0
#pragma once
// Records a run: writes metrics.jsonl, keeps a snapshot of its state, sums up the session, and notifies
// observers. The trainer reports each event once; this turns it into JSON, sums and calls.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/file.h"
#include "libs/data/batch.h"
#include "libs/metrics/run_log.h"
#include "libs/train/checkpoint_state.h"
#include "libs/train/guard.h"
#include "libs/train/machine_use.h"
#include "libs/train/observer.h"
#include "libs/train/run_control.h"
#include "libs/train/run_progress.h"
#include "libs/train/summary.h"

namespace pretrain {

/// A step that was skipped on the user's request.
struct SkippedStep {
  uint64_t step = 0;
  uint64_t tokens = 0;  ///< total so far
  uint32_t epoch = 0;
  uint64_t batch_hash = 0;
  std::span<const Batch> batches;
  std::vector<std::string> documents;
};

/// What a log already knows of the step from which the run continues.
struct KnownOfStep {
  std::optional<StepEvaluation> evaluation;
  bool sampled = false;
};

/// The end of a session, for its record.
struct SessionEnd {
  std::string reason;  ///< as in FORMAT.md
  std::string error;   ///< of a session that failed
  uint64_t step = 0, tokens = 0;
  std::optional<uint64_t> saved_step;
  double seconds = 0;
  SourceStatus source;
};

/// As records have it.
nlohmann::json to_json(const std::vector<MachineShare>& shares);

/// Single-owner.
class RunRecorder {
 public:
  /// `machine_use`: empty on a machine that shows nothing.
  RunRecorder(FileSystem& files, Path state_folder, std::vector<TrainObserver*> observers,
              MachineUseReader machine_use = {});

  /// Starts a session. Call it before all other functions.
  void begin_session(const RunLimits& limits, const KnownAtStart& known);

  /// Continues the log at the position from the checkpoint of this step, at the start and after a return to a
  /// checkpoint. Cuts off everything after the position except what belongs to the same step, such as an
  /// evaluation.
  KnownOfStep open_log(const StepLogPosition& position, uint64_t step);
  StepLogPosition log_position() const { return log_->position(); }

  /// Records the start of a session. `facts`: the keys of its record that the trainer does not know.
  void note_session(uint64_t step, uint64_t tokens, nlohmann::json facts);
  /// Options that changed, by name: `[old value, new value]`.
  void note_settings(uint64_t step, const nlohmann::json& changed);
  /// The steps of a run with a budget are fixed.
  void note_fixed_steps(uint64_t steps) { progress_.note_fixed_steps(steps); }
  void note_end(const SessionEnd& end);
  /// The first batch has arrived. Reported once.
  void note_ready();
  void note_progress();
  /// The trainer evaluates or writes a sample until end_work().
  void begin_work(RunPhase phase);
  void end_work();
  /// `logged`: whether to write a record of the step.
  void note_step(const StepRecord& record, const SourceStatus& source, bool logged);
  /// A step that another machine has made before the session. Observers are not told of it.
  void note_made_step(const StepRecord& record, const SourceStatus& source, bool logged);
  /// A step that was not finite, and its batches.
  void note_bad_step(uint64_t step, std::span<const Batch> batches,
                     const std::vector<std::string>& documents);
  void note_skipped_step(const SkippedStep& step);
  void note_hardware_fault(uint64_t step);
  void note_machine(uint64_t step, const MachineEvent& event);
  void note_return(uint64_t from, uint64_t to, std::span<const GuardedStep> row);
  void note_evaluation(const StepEvaluation& evaluation, uint64_t tokens, double peak_flops);
  void note_sample(const Sample& sample);
  /// The trainer waits until note_continued(). `time`: after which the pause ends by itself.
  void note_paused(uint64_t step, PauseReason why, std::optional<std::chrono::seconds> time);
  void note_continued(uint64_t step, std::chrono::nanoseconds paused);
  void note_save_started(uint64_t step);
  /// `pause_seconds`: time that the save has cost the trainer.
  void note_saved(const SaveResult& result, double pause_seconds);
  void note_finishing(uint64_t step);

  /// The current state of the run.
  RunSnapshot snapshot() const { return progress_.snapshot(Clock::now()); }
  /// The summary of the session so far: steps, tokens, times and evaluations.
  RunSummary& summary() { return summary_; }

 private:
  using Clock = std::chrono::steady_clock;

  template <typename Call>
  void tell(Call call) {
    for (TrainObserver* observer : observers_) call(*observer);
  }

  void write(std::string_view kind, nlohmann::json record);
  void note_heat(uint64_t step, const MachineUse& use);
  void tell_lost();
  void set_phase(RunPhase phase);

  FileSystem& files_;
  Path state_folder_;
  std::vector<TrainObserver*> observers_;
  MachineUseReader machine_use_;
  uint64_t throttles_recorded_ = 0;
  std::optional<Clock::time_point> heat_recorded_;
  std::unique_ptr<RunLog> log_;
  RunProgress progress_;
  RunSummary summary_;
  LostRecords lost_before_;  // of earlier logs of this session
  Clock::time_point work_start_;
  RunPhase work_ = RunPhase::kStarting;   // of begin_work()
  bool curve_behind_ = false;             // curve.jsonl could not be written
  RunPhase phase_ = RunPhase::kStarting;  // but for evaluations and samples
};

}  // namespace pretrain
