// SPDX-License-Identifier: Apache-2.0
#include "libs/train/run_control.h"

#include <utility>

namespace pretrain {

std::string_view name_of(PauseReason reason) {
  switch (reason) {
    case PauseReason::kRequest:
      return "request";
    case PauseReason::kHours:
      return "hours";
    case PauseReason::kBattery:
      return "battery";
  }
  return "";
}

/// Each reason has a pause of its own: the end of the battery's does not end that of the user.
void RunControl::pause(PauseReason reason, std::optional<std::chrono::seconds> time) {
  const std::lock_guard lock(mutex_);
  Entry& entry = pauses_[static_cast<size_t>(reason)].emplace();
  entry.time = time;
  if (time) entry.end = Clock::now() + *time;
  ++requests_;
  changed_.notify_all();
}

void RunControl::end_pause(PauseReason reason) {
  const std::lock_guard lock(mutex_);
  pauses_[static_cast<size_t>(reason)].reset();
  ++requests_;
  changed_.notify_all();
}

void RunControl::proceed() {
  const std::lock_guard lock(mutex_);
  for (auto& entry : pauses_) entry.reset();
  ++requests_;
  changed_.notify_all();
}

void RunControl::request_save() {
  const std::lock_guard lock(mutex_);
  save_requested_ = true;
  ++requests_;
  changed_.notify_all();
}

/// Changes add up until the trainer takes them between two steps; of one setting, the last counts.
void RunControl::change(const ChangedSettings& settings) {
  const std::lock_guard lock(mutex_);
  if (settings.threads) changes_.threads = settings.threads;
  if (settings.checkpoint_interval) changes_.checkpoint_interval = settings.checkpoint_interval;
  ++requests_;
  changed_.notify_all();
}

bool RunControl::take_save_request() {
  const std::lock_guard lock(mutex_);
  return std::exchange(save_requested_, false);
}

bool RunControl::save_is_requested() const {
  const std::lock_guard lock(mutex_);
  return save_requested_;
}

ChangedSettings RunControl::take_changes() {
  const std::lock_guard lock(mutex_);
  return std::exchange(changes_, {});
}

/// A pause that was limited in time ends here, when the trainer looks.
std::optional<RunControl::Pause> RunControl::pause_due() {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  for (size_t i = 0; i < kReasons; ++i) {
    if (!pauses_[i]) continue;
    if (!pauses_[i]->end || now < *pauses_[i]->end)
      return Pause{.reason = static_cast<PauseReason>(i), .time = pauses_[i]->time, .end = pauses_[i]->end};
    pauses_[i].reset();
  }
  return std::nullopt;
}

/// Waits for any request after the last one seen. Counting requests, instead of waking on a flag, also catches one
/// that came between the look at it and the wait.
void RunControl::wait(std::chrono::milliseconds most, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, stop, most, [&] { return requests_ != seen_; });
  seen_ = requests_;
}

}  // namespace pretrain
