// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs a command of the user at events of a run (--on-event), on a thread of its own, so that a command that
// hangs or fails never holds up training.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "libs/base/file.h"
#include "libs/train/observer.h"

namespace pretrain {

/// The command sees the event in its environment: PRETRAIN_EVENT (`ended`, `failed`, `save_failed`,
/// `skipped_steps`, `paused` or `new_best`), PRETRAIN_STATE, PRETRAIN_STEP, PRETRAIN_MESSAGE. One runs at a time
/// and for 30 seconds at most; 16 wait at most, further events are left out. Thread-safe.
class EventHook : public TrainObserver {
 public:
  /// An empty command runs nothing.
  EventHook(std::string command, Path state);
  /// Runs the commands that wait, for half a minute at most.
  ~EventHook() override;
  EventHook(const EventHook&) = delete;
  EventHook& operator=(const EventHook&) = delete;

  void note(std::string_view event, uint64_t step, std::string message);

  void on_step(const StepRecord& record, const RunSnapshot& run) override;
  void on_evaluation(const StepEvaluation& evaluation, const RunSnapshot& run) override;
  void on_saved(const SaveResult& result) override;
  void on_paused(uint64_t step, PauseReason why, std::optional<std::chrono::seconds> time) override;

 private:
  struct Event {
    std::string name;
    uint64_t step = 0;
    std::string message;
  };

  void run(const std::stop_token& kill);
  void call(const Event& event, const std::stop_token& kill);

  std::string command_;
  Path state_;
  bool was_bad_ = false;       // the last step; the trainer's
  bool failure_told_ = false;  // the thread's
  std::mutex mutex_;           // guards the following three
  std::deque<Event> waiting_;
  bool closing_ = false, idle_ = true;
  std::condition_variable changed_;
  std::jthread thread_;  // last: uses all others
};

}  // namespace pretrain
