// SPDX-License-Identifier: Apache-2.0
#include "libs/train/background_saver.h"

#include <utility>

#include "libs/base/log.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

// A save copies nothing: the writer's thread reads parameters and moments in place while the next step
// computes its gradients. Only before the update must the trainer wait for the writer to have read them,
// which is usually long done. The state of the stream is small and is copied.

BackgroundSaver::BackgroundSaver(Parts parts, const SavingOptions& options)
    : parts_(std::move(parts)), options_(options), writer_(parts_.store), last_start_(Clock::now()) {}

void BackgroundSaver::begin_session(std::optional<uint64_t> step_on_disk) {
  last_good_step_ = step_on_disk;
  last_start_ = Clock::now();
}

bool BackgroundSaver::is_due(uint64_t step) {
  if (parts_.take_request && parts_.take_request()) requested_ = true;
  const bool by_time = options_.interval.count() > 0 && Clock::now() - last_start_ >= options_.interval;
  const bool by_steps = options_.every > 0 && step % options_.every == 0;
  return requested_ || by_time || by_steps;
}

/// The timer counts from the start of a save, so that slow saves don't make the interval longer.
void BackgroundSaver::save(uint64_t step, const Capture& capture, SaveKind kind) {
  const auto start = Clock::now();
  requested_ = false;
  wait();
  if (last_good_step_ == step) return;
  is_last_ = kind == SaveKind::kLast;
  CheckpointContent content = capture(saved_stream_);
  parts_.recorder.note_save_started(step);
  writer_.start(std::move(content));
  last_start_ = Clock::now();
  pause_seconds_ = seconds_since(start);
  parts_.recorder.summary().split.checkpoint += pause_seconds_;
}

/// Called before each update, so it does not wait unless a save is reading.
double BackgroundSaver::wait_until_sources_read() {
  const auto start = Clock::now();
  writer_.wait_until_sources_read(
      [this](std::chrono::seconds waited) { wait_a_second_for_the_disk(waited); });
  const double seconds = seconds_since(start);
  if (writer_.busy()) pause_seconds_ += seconds;
  return seconds;
}

void BackgroundSaver::wait() {
  const auto result =
      writer_.wait([this](std::chrono::seconds waited) { wait_a_second_for_the_disk(waited); });
  if (result) take_note_of(*result);
}

/// Reports progress while waiting, so that the watchdog tolerates a slow disk. After an hour it stops
/// reporting, and the watchdog restarts the run as if the trainer hung.
void BackgroundSaver::wait_a_second_for_the_disk(std::chrono::seconds waited) {
  constexpr std::chrono::seconds kPatience = std::chrono::hours(1);
  constexpr std::chrono::seconds kToldEvery = std::chrono::minutes(1);
  if (waited % kToldEvery == std::chrono::seconds(0)) {
    log_warning("waiting for the disk at {}: {} so far", parts_.place.native(), format_duration(waited));
  }
  if (waited < kPatience) parts_.recorder.note_progress();
}

void BackgroundSaver::collect() {
  while (const auto result = writer_.poll()) take_note_of(*result);
}

void BackgroundSaver::take_note_of(const SaveResult& result) {
  if (!result.new_place.empty()) log_warning("{}", result.new_place);
  if (result.ok) {
    last_good_step_ = result.step;
    parts_.on_step_saved(result.step);
  } else if (!is_last_) {  // the trainer reports that of the last one
    log_error("checkpoint of step {} failed: {}; training continues, the next save tries again",
              format_count(result.step), result.error);
  }
  parts_.recorder.note_saved(result, pause_seconds_);
}

}  // namespace pretrain
