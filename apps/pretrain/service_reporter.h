// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reports a training run to the service manager: ready at the first batch, a status line, watchdog pings
// while the trainer makes progress, and requests for more time during a long start or a slow last save.

#include <chrono>
#include <optional>
#include <string>

#include "libs/base/service.h"
#include "libs/train/trainer.h"

namespace pretrain {

/// Single-owner, except note_other_work(). The start phase begins with the constructor.
class ServiceReporter : public TrainObserver {
 public:
  /// Reports progress outside the trainer's thread: a child process trains the vocabulary, or the loader
  /// scans the corpus for the next epoch. Thread-safe.
  void note_other_work() {
    service_.alive();
    extender_.note();
  }
  /// Sets the status line.
  void status(const std::string& line) { service_.status(line); }

  void on_ready() override;
  void on_progress() override;
  void on_step(const StepRecord& record, const RunSnapshot& run) override;
  void on_saved(const SaveResult& result) override;
  void on_finishing(uint64_t step) override;

 private:
  using Clock = std::chrono::steady_clock;

  ServiceNotifier service_;
  TimeoutExtender extender_{service_};  // active while the start or the stop is under way
  std::optional<Clock::time_point> last_status_;
  bool is_ready_ = false;
};

}  // namespace pretrain
