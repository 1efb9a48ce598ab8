// SPDX-License-Identifier: Apache-2.0
#pragma once
// Keeps the state of a running session for other threads: what `pretrain status` shows.

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "libs/base/power.h"
#include "libs/train/machine_use.h"
#include "libs/train/observer.h"

namespace pretrain {

/// What does not change in a session.
struct MonitoredSession {
  std::string model;  ///< name of the preset
  uint64_t parameters = 0;
  int threads = 1;  ///< at the start, and the most
  std::chrono::milliseconds checkpoint_interval{0};
};

/// Saves of a session.
struct SaveActivity {
  uint64_t finished = 0;  ///< including those that failed
  bool running = false;
  SaveResult last;  ///< the newest that has finished
};

/// Thread-safe: the trainer reports, others ask.
class RunMonitor : public TrainObserver {
 public:
  explicit RunMonitor(MonitoredSession session);

  /// The keys that FORMAT.md of libs/metrics lists for the answer to `status`.
  nlohmann::json status() const;
  SaveActivity saves() const;
  uint64_t step() const;
  RunPhase phase() const;

  /// Looks at energy and heat; to be called each few seconds. Warns when the processor slowed down.
  void look_at_machine();
  /// What it saw the last time.
  MachineUse machine_use() const;

  void on_phase(RunPhase phase) override;
  void on_step(const StepRecord& record, const RunSnapshot& run) override;
  void on_evaluation(const StepEvaluation& evaluation, const RunSnapshot& run) override;
  void on_save_started(uint64_t step) override;
  void on_saved(const SaveResult& result) override;
  void on_settings(const nlohmann::json& changed) override;
  void on_paused(uint64_t step, PauseReason why, std::optional<std::chrono::seconds> time) override;
  void on_continued(uint64_t step, std::chrono::nanoseconds paused) override;

 private:
  using Clock = std::chrono::steady_clock;

  void add_machine(nlohmann::json& status) const;
  MachineUse machine_use_now() const;
  void warn_of_heat(Clock::time_point now);

  const MonitoredSession session_;
  const std::chrono::system_clock::time_point started_;
  mutable std::mutex mutex_;  // guards all below
  RunSnapshot run_;
  Clock::time_point run_time_;  // of the snapshot
  RunPhase phase_ = RunPhase::kStarting;
  std::string threads_, checkpoint_interval_;  // as text
  std::optional<PauseReason> pause_;
  std::optional<Clock::time_point> pause_end_;
  SaveActivity saves_;
  EnergyMeter energy_;
  std::optional<uint64_t> throttles_at_start_, throttles_, throttles_told_;
  Clock::time_point heat_told_;
};

/// The name of a phase in the answer to `status`.
std::string_view name_of(RunPhase phase);

}  // namespace pretrain
