// SPDX-License-Identifier: Apache-2.0
#pragma once
// The console output of a running session: a live line on a terminal or a plain line at intervals elsewhere,
// text samples, and the results of saves.

#include "apps/pretrain/status_pace.h"
#include "libs/base/file.h"
#include "libs/train/observer.h"

namespace pretrain {

/// Single-owner; lives on the trainer's thread.
class Console : public TrainObserver {
 public:
  /// `state`: of the run, for the commands that the user may type.
  explicit Console(Path state);
  ~Console() override;

  void on_step(const StepRecord& record, const RunSnapshot& run) override;
  void on_evaluation(const StepEvaluation& evaluation, const RunSnapshot& run) override;
  void on_sample(const Sample& sample) override;
  void on_saved(const SaveResult& result) override;
  void on_machine(const MachineEvent& event) override;
  void on_paused(uint64_t step, PauseReason why, std::optional<std::chrono::seconds> time) override;
  void on_continued(uint64_t step, std::chrono::nanoseconds paused) override;
  void on_finishing(uint64_t step) override;

 private:
  void tell_epoch_time(const RunSnapshot& run);
  void show(const RunSnapshot& run) const;

  Path state_;
  bool live_;
  StatusPace pace_;
  bool epoch_time_told_ = false;
};

}  // namespace pretrain
