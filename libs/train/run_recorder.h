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
#include <vector>

#include "libs/base/file.h"
#include "libs/data/batch.h"
#include "libs/metrics/step_log.h"
#include "libs/train/checkpoint_state.h"
#include "libs/train/guard.h"
#include "libs/train/observer.h"
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

/// Single-owner.
class RunRecorder {
 public:
  RunRecorder(FileSystem& files, Path state_folder, std::vector<TrainObserver*> observers);

  /// Starts a session. Call it before all other functions.
  void begin_session(const RunLimits& limits, const KnownAtStart& known);

  /// Continues the log at the position from the checkpoint of this step, at the start and after a return to a
  /// checkpoint. Cuts off everything after the position except an evaluation of the same step, which it
  /// returns.
  std::optional<StepEvaluation> open_log(const StepLogPosition& position, uint64_t step);
  StepLogPosition log_position() const { return log_->position(); }

  /// The first batch has arrived. Reported once.
  void note_ready();
  void note_progress();
  /// The trainer evaluates or writes a sample until end_work().
  void begin_work(RunPhase phase) { set_phase(phase); }
  void end_work() { set_phase(phase_); }
  /// `logged`: whether to write a record of the step.
  void note_step(const StepRecord& record, const SourceStatus& source, bool logged);
  /// A step that was not finite, and its batches.
  void note_bad_step(uint64_t step, std::span<const Batch> batches,
                     const std::vector<std::string>& documents);
  void note_skipped_step(const SkippedStep& step);
  void note_hardware_fault(uint64_t step);
  void note_return(uint64_t from, uint64_t to, std::span<const GuardedStep> row);
  void note_evaluation(const StepEvaluation& evaluation, uint64_t tokens, double peak_flops);
  /// Lets the observers write a sample.
  void note_sample(uint64_t step, const float* parameters);
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

  void write(const nlohmann::json& record);
  void set_phase(RunPhase phase);

  FileSystem& files_;
  Path state_folder_;
  std::vector<TrainObserver*> observers_;
  std::unique_ptr<StepLog> log_;
  RunProgress progress_;
  RunSummary summary_;
  uint64_t lost_before_ = 0;              // records that earlier logs of this session failed to write
  bool loses_ = false;                    // the last record could not be written
  RunPhase phase_ = RunPhase::kStarting;  // but for evaluations and samples
};

}  // namespace pretrain
