// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tells the user who stops a training run what happens now and what a second stop request would lose.

#include <cstdint>
#include <mutex>
#include <optional>

#include "libs/base/stop.h"
#include "libs/train/trainer.h"

namespace pretrain {

/// Answers stop requests during its lifetime, and tells the StopSignal when there is work to save.
/// Thread-safe.
class StopReporter : public TrainObserver {
 public:
  explicit StopReporter(StopSignal& stop);
  ~StopReporter() override;
  StopReporter(const StopReporter&) = delete;
  StopReporter& operator=(const StopReporter&) = delete;

  /// The run starts after this step of its parent and has no checkpoint of its own yet.
  void set_step(uint64_t step);
  /// The run resumes from this checkpoint.
  void set_checkpoint(uint64_t step);
  /// Everything is saved; only the summary follows.
  void set_saved();

  /// The answer to a stop request at this moment.
  StopWords words() const;

  void on_ready() override;
  void on_phase(RunPhase phase) override;
  void on_step(const StepRecord& record, const RunSnapshot& run) override;
  void on_save_started(uint64_t step) override;
  void on_saved(const SaveResult& result) override;
  void on_finishing(uint64_t step) override;

 private:
  std::string newest_checkpoint() const;
  std::string what_happens() const;

  StopSignal& stop_;
  mutable std::mutex mutex_;  // guards all below
  RunPhase phase_ = RunPhase::kStarting;
  bool ready_ = false;                    // the first batch has arrived
  bool all_saved_ = false;                // only the summary is left
  uint64_t step_ = 0;                     // the last completed step
  std::optional<uint64_t> saved_step_;    // of the newest checkpoint
  std::optional<uint64_t> started_save_;  // step of a save that may still be running
};

}  // namespace pretrain
