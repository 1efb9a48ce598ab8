// SPDX-License-Identifier: Apache-2.0
#pragma once
// Decides when to save, and keeps track of saves: the timer, requests to save, the newest step that is safe
// on disk, and the time that saving costs the trainer. CheckpointWriter does the writing.
//
// In each step, before parameters or moments change:   saver.wait_until_sources_read();
// After it:                                            saver.collect();
//                                                      if (saver.is_due(step)) saver.save(step, capture);

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "libs/checkpoint/store.h"
#include "libs/checkpoint/writer.h"
#include "libs/data/batch_source.h"
#include "libs/train/run_recorder.h"

namespace pretrain {

struct SavingOptions {
  std::chrono::milliseconds interval{std::chrono::minutes(10)};  ///< 0: not by time
  uint64_t every = 0;                                            ///< steps; 0: not by steps
};

/// Whether training continues after a save.
enum class SaveKind { kWhileTraining, kLast };

/// Single-owner.
class BackgroundSaver {
 public:
  struct Parts {
    CheckpointStore& store;
    RunRecorder& recorder;
    std::function<bool()> take_request;           ///< true once after each request to save now; may be empty
    std::function<void(uint64_t)> on_step_saved;  ///< the step is safe on disk
    Path place;                                   ///< for messages
  };
  BackgroundSaver(Parts parts, const SavingOptions& options);

  /// Starts a session from the checkpoint of this step, if any.
  void begin_session(std::optional<uint64_t> step_on_disk);
  /// The run has returned to this checkpoint.
  void return_to(uint64_t step) { last_good_step_ = step; }

  /// Time between saves from now on; 0: not by time.
  void set_interval(std::chrono::milliseconds interval) { options_.interval = interval; }
  /// The run was paused for this time, which does not count for the interval.
  void note_pause(std::chrono::nanoseconds time) {
    last_start_ += std::chrono::duration_cast<Clock::duration>(time);
  }

  /// Whether a save is due after this step. A request stays pending until save().
  bool is_due(uint64_t step);

  /// Makes the content of a checkpoint. The given stream state stays unchanged until the next save.
  using Capture = std::function<CheckpointContent(StreamState& stream)>;
  /// Starts a save in the background, unless the step is already on disk. Waits first for a save that is
  /// still running.
  void save(uint64_t step, const Capture& capture, SaveKind kind = SaveKind::kWhileTraining);

  /// Waits until parameters and moments may change: a running save reads them in place. Returns the seconds.
  double wait_until_sources_read();
  /// Waits for the running save.
  void wait();
  /// Records the saves that have ended.
  void collect();

  /// The newest step that is safe on disk.
  std::optional<uint64_t> last_good_step() const { return last_good_step_; }

 private:
  using Clock = std::chrono::steady_clock;

  void wait_a_second_for_the_disk(std::chrono::seconds waited);
  void take_note_of(const SaveResult& result);

  Parts parts_;
  SavingOptions options_;
  StreamState saved_stream_;  // the writer reads it in place
  CheckpointWriter writer_;
  std::optional<uint64_t> last_good_step_;
  bool requested_ = false;
  bool is_last_ = false;  // the newest save
  Clock::time_point last_start_;
  double pause_seconds_ = 0;  // that the newest save has cost the trainer so far
};

}  // namespace pretrain
