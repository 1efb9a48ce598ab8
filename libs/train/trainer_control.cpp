// SPDX-License-Identifier: Apache-2.0
// The trainer's answers to requests from other threads. It acts on them between steps only, where parameters,
// moments, numbers and stream are of the same step, so that no request changes what is trained.

#include <memory>

#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/tensor/thread_change.h"
#include "libs/train/trainer.h"

namespace pretrain {
namespace {

/// While paused: time between reports of progress, which keep the watchdog from ending the run.
constexpr std::chrono::seconds kProgressInterval(1);
constexpr std::chrono::milliseconds kPeakMeasurement(20);

}  // namespace

void Trainer::obey_requests() {
  if (parts_.control == nullptr) return;
  change_settings();
  if (const auto due = parts_.control->pause_due()) pause(*due);
}

bool Trainer::save_is_requested() {
  const bool by_signal = parts_.take_save_request && parts_.take_save_request();
  const bool by_control = parts_.control != nullptr && parts_.control->take_save_request();
  return by_signal || by_control;
}

/// The peak is of the number of threads, so it is measured again.
void Trainer::change_settings() {
  const ChangedSettings changes = parts_.control->take_changes();
  nlohmann::json changed = nlohmann::json::object();
  if (changes.threads && *changes.threads != parts_.compute.threads()) {
    changed["threads"] = {std::to_string(parts_.compute.threads()), std::to_string(*changes.threads)};
    use_threads(parts_.compute, *changes.threads);
    std::construct_at(&parts_.peak, parts_.compute, options_.precision);  // forgets the higher one
    parts_.peak.measure(kPeakMeasurement);
    log_info("training with {}", format_counted(static_cast<uint64_t>(*changes.threads), "thread"));
  }
  if (changes.checkpoint_interval && *changes.checkpoint_interval != options_.checkpoint_interval) {
    changed["checkpoint-interval"] = {exact_duration(options_.checkpoint_interval),
                                      exact_duration(*changes.checkpoint_interval)};
    options_.checkpoint_interval = *changes.checkpoint_interval;
    saver_.set_interval(options_.checkpoint_interval);
    log_info("time between checkpoints: {}", exact_duration(options_.checkpoint_interval));
  }
  recorder_.note_settings(state_.step, changed);
}

/// Saves first, so that the machine may be switched off meanwhile. The time does not count for the limit of
/// the session nor for the interval of checkpoints.
void Trainer::pause(const RunControl::Pause& pause) {
  const auto start = Clock::now();
  const double clock_before = clock_seconds();
  if (!bad_stretch_.open() && !skipping_) save();
  recorder_.note_paused(state_.step, pause.reason, pause.time);
  stand_still(pause);
  const auto paused = Clock::now() - start;
  session_start_ += paused;
  saver_.note_pause(paused);
  clock_start_ += clock_seconds() - clock_before;
  recorder_.note_continued(state_.step, paused);
}

/// A request may replace the pause by one that ends at another time, or leave that of another reason.
void Trainer::stand_still(RunControl::Pause known) {
  while (!parts_.stop.stop_requested()) {
    const auto due = parts_.control->pause_due();
    if (!due) return;
    if (*due != known) recorder_.note_paused(state_.step, due->reason, due->time);
    known = *due;
    saver_.collect();
    if (saver_.is_due(state_.step) && !bad_stretch_.open() && !skipping_) save();
    change_settings();
    recorder_.note_progress();
    parts_.control->wait(kProgressInterval, parts_.stop);
  }
}

}  // namespace pretrain
