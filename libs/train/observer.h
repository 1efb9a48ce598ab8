// SPDX-License-Identifier: Apache-2.0
#pragma once
// The events of a run while it trains.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/checkpoint/writer.h"
#include "libs/model/transformer.h"
#include "libs/train/evaluation.h"
#include "libs/train/run_control.h"
#include "libs/train/run_snapshot.h"

namespace pretrain {

/// One finished step.
struct StepRecord {
  uint64_t step = 0;
  uint64_t tokens = 0;       ///< total so far
  uint64_t step_tokens = 0;  ///< of this step
  uint32_t epoch = 0;
  double loss = 0, learning_rate = 0, gradient_norm = 0;
  bool applied = true;  ///< false if the guard skipped it
  double step_seconds = 0, data_wait_seconds = 0, optimizer_seconds = 0, checkpoint_wait_seconds = 0;
  PassSeconds pass;
  double tokens_per_second = 0;
  double utilization = 0;  ///< share of the highest peak measured so far
  uint64_t batch_hash = 0;
  /// Machines that made the step, and the time that exchanging gradients took, also while gradients were still computed;
  /// 0 for a run that shares no steps.
  uint32_t machines = 0;
  double exchange_seconds = 0, exchange_hidden_seconds = 0;
};

/// A machine came or went, in a run of several, or slots moved.
struct MachineEvent {
  enum class Kind {
    kJoined,
    kLeft,   ///< by its own wish
    kLost,   ///< does not answer
    kWrong,  ///< computed another result than the others
    kSlots,  ///< the slots of all machines; `machine` is empty
  };
  Kind kind = Kind::kJoined;
  std::string machine;    ///< its name and address
  std::string why;        ///< of one that is gone
  uint32_t machines = 0;  ///< that train now
  std::vector<MachineShare> shares = {};
};

/// A text that the model wrote.
struct Sample {
  uint64_t step = 0;
  std::string prompt;  ///< that the text continues; empty: the beginning of a document
  std::string text;
  double seconds = 0;  ///< that it took
};

/// Receives the events of a run, for the user or a service manager. Called on the trainer's thread.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  /// The first batch has arrived; training starts.
  virtual void on_ready() {}
  /// A part of the work is done: a micro-batch, or a second of waiting for the disk. Not called while the
  /// trainer waits for batches or hangs in a computation.
  virtual void on_progress() {}
  /// The trainer starts another kind of work.
  virtual void on_phase(RunPhase /*phase*/) {}
  /// `run`: the state of the run after this step.
  virtual void on_step(const StepRecord& /*record*/, const RunSnapshot& /*run*/) {}
  virtual void on_evaluation(const StepEvaluation& /*evaluation*/, const RunSnapshot& /*run*/) {}
  virtual void on_sample(const Sample& /*sample*/) {}
  /// The run waits until on_continued(). `time`: after which the pause ends by itself.
  virtual void on_paused(uint64_t /*step*/, PauseReason /*why*/,
                         std::optional<std::chrono::seconds> /*time*/) {}
  virtual void on_continued(uint64_t /*step*/, std::chrono::nanoseconds /*paused*/) {}
  virtual void on_machine(const MachineEvent& /*event*/) {}
  /// Options that changed while the run trains: `[old value, new value]` by name.
  virtual void on_settings(const nlohmann::json& /*changed*/) {}
  virtual void on_save_started(uint64_t /*step*/) {}
  virtual void on_saved(const SaveResult& /*result*/) {}
  /// Training has ended; the last evaluation and the last save follow.
  virtual void on_finishing(uint64_t /*step*/) {}
};

}  // namespace pretrain
