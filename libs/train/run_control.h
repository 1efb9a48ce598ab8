// SPDX-License-Identifier: Apache-2.0
#pragma once
// Requests to a running trainer from other threads: save, pause, continue, change settings. The trainer acts
// on them between steps, so that they never change what it computes.
//
//   control.pause(PauseReason::kRequest, 2h);                       // any thread
//   while (const auto due = control.pause_due())                    // the trainer, between two steps
//     control.wait(1s, stop);                                       // wakes at once for another request
//   if (control.take_save_request()) save();

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string_view>

namespace pretrain {

/// Why a run pauses.
enum class PauseReason {
  kRequest,  ///< of the user
  kHours,    ///< outside of the hours in which it may train
  kBattery,  ///< the machine runs on its battery
};

/// As in the record of a pause: `request`, `hours` or `battery`.
std::string_view name_of(PauseReason reason);

/// Settings that may change while a run trains. Empty: unchanged.
struct ChangedSettings {
  std::optional<int> threads;
  std::optional<std::chrono::milliseconds> checkpoint_interval;

  bool any() const { return threads || checkpoint_interval; }
};

/// Thread-safe.
class RunControl {
 public:
  using Clock = std::chrono::steady_clock;

  struct Pause {
    PauseReason reason = PauseReason::kRequest;
    std::optional<std::chrono::seconds> time;  ///< after which it ends by itself
    std::optional<Clock::time_point> end = {};

    bool operator==(const Pause&) const = default;
  };

  /// The run pauses after the current step. A pause of another reason stays.
  void pause(PauseReason reason, std::optional<std::chrono::seconds> time = {});
  /// Ends the pause of this reason.
  void end_pause(PauseReason reason);
  /// Ends all pauses.
  void proceed();
  void request_save();
  void change(const ChangedSettings& settings);

  /// True once after each request.
  bool take_save_request();
  bool save_is_requested() const;
  /// The changes since the last call.
  ChangedSettings take_changes();
  /// The pause that is due; nothing when the run may train.
  std::optional<Pause> pause_due();
  /// Waits for a request since the last call, at most this time. For one waiting thread.
  void wait(std::chrono::milliseconds most, const std::stop_token& stop);

 private:
  struct Entry {
    std::optional<std::chrono::seconds> time;
    std::optional<Clock::time_point> end;
  };
  static constexpr size_t kReasons = 3;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable_any changed_;
  std::optional<Entry> pauses_[kReasons];
  bool save_requested_ = false;
  ChangedSettings changes_;
  uint64_t requests_ = 0, seen_ = 0;
};

}  // namespace pretrain
