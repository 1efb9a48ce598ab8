#pragma once
// What a training run tells the user who asks it to stop: what happens now, and what a second request costs.

#include <cstdint>
#include <mutex>
#include <optional>

#include "libs/base/stop.h"
#include "libs/train/trainer.h"

namespace pretrain {

/// Answers stop requests while it lives, and says when there is work to save. Thread-safe.
class StopReporter : public TrainObserver {
 public:
  explicit StopReporter(StopSignal& stop);
  ~StopReporter() override;
  StopReporter(const StopReporter&) = delete;
  StopReporter& operator=(const StopReporter&) = delete;

  /// The run continues after this step, of which it has no checkpoint of its own.
  void set_step(uint64_t step);
  /// The run continues from this checkpoint.
  void set_checkpoint(uint64_t step);
  /// All is saved; what follows is the summary.
  void set_saved();

  /// What the log says to a request that comes now.
  StopWords words() const;

  void on_ready() override;
  void on_work(TrainerWork work) override;
  void on_step(const StepRecord& record, const SourceStatus& source) override;
  void on_save_started(uint64_t step) override;
  void on_saved(const SaveResult& result) override;
  void on_finishing(uint64_t step) override;

 private:
  enum class Phase { kStart, kSteps, kLastSave, kSummary };

  std::string newest_checkpoint() const;
  std::string what_happens() const;
  std::string what_happens_between_saves() const;

  StopSignal& stop_;
  mutable std::mutex mutex_;  // guards all below
  Phase phase_ = Phase::kStart;
  TrainerWork work_ = TrainerWork::kSteps;
  uint64_t step_ = 0;                   // the last one that is done
  std::optional<uint64_t> saved_step_;  // of the newest checkpoint
  std::optional<uint64_t> begun_step_;  // of a save that is not known to have ended
};

}  // namespace pretrain
