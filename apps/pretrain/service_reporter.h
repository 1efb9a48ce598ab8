#pragma once
// A training run as the service manager sees it: ready with the first batch, a status line, watchdog pings as
// long as the trainer gets on, more time for a long start and a slow last save.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "libs/base/service.h"
#include "libs/train/trainer.h"

namespace pretrain {

/// Single-owner but for note_other_work(). The start begins with the constructor.
class ServiceReporter : public TrainObserver {
 public:
  /// Work advances that the trainer waits for and can't be seen to do: a child trains the vocabulary, the
  /// loader looks at the corpus for the next epoch. Thread-safe.
  void note_other_work() {
    service_.alive();
    extender_.note();
  }
  /// Shown until the next one.
  void status(const std::string& line) { service_.status(line); }

  void on_ready() override;
  void on_progress() override;
  void on_step(const StepRecord& record, const SourceStatus& source) override;
  void on_evaluation(uint64_t step, const EvaluationResult& result) override;
  void on_saved(const SaveResult& result) override;
  void on_finishing(uint64_t step) override;

 private:
  using Clock = std::chrono::steady_clock;

  ServiceNotifier service_;
  TimeoutExtender extender_{service_};  // active while the start or the stop is under way
  std::optional<uint64_t> saved_step_;
  std::string validation_;   // the newest, for the status
  std::string failed_save_;  // what became of the newest save, if nothing good
  std::optional<Clock::time_point> last_status_;
};

}  // namespace pretrain
