// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/stop_reporter.h"

#include "libs/base/units.h"

namespace pretrain {

StopReporter::StopReporter(StopSignal& stop) : stop_(stop) {
  stop_.set_words([this] { return words(); });
}

StopReporter::~StopReporter() {
  stop_.set_words({});
}

void StopReporter::set_step(uint64_t step) {
  const std::lock_guard lock(mutex_);
  step_ = step;
}

void StopReporter::set_checkpoint(uint64_t step) {
  const std::lock_guard lock(mutex_);
  step_ = step;
  saved_step_ = step;
}

void StopReporter::set_saved() {
  {
    const std::lock_guard lock(mutex_);
    all_saved_ = true;
  }
  stop_.set_work_to_save(false);
}

void StopReporter::on_ready() {
  stop_.set_work_to_save(true);
  const std::lock_guard lock(mutex_);
  ready_ = true;
}

void StopReporter::on_phase(RunPhase phase) {
  const std::lock_guard lock(mutex_);
  phase_ = phase;
}

void StopReporter::on_step(const StepRecord& record, const RunSnapshot&) {
  const std::lock_guard lock(mutex_);
  step_ = record.step;
}

void StopReporter::on_save_started(uint64_t step) {
  const std::lock_guard lock(mutex_);
  started_save_ = step;
}

void StopReporter::on_saved(const SaveResult& result) {
  const std::lock_guard lock(mutex_);
  started_save_.reset();
  if (result.ok) saved_step_ = result.step;
}

void StopReporter::on_finishing(uint64_t step) {
  const std::lock_guard lock(mutex_);
  ready_ = true;
  step_ = step;
}

std::string StopReporter::what_happens() const {
  if (all_saved_) return "everything is saved";
  if (!ready_) {
    return saved_step_ ? fmt::format("the run stays at step {}", format_count(*saved_step_))
                       : "nothing was trained yet";
  }
  switch (phase_) {
    case RunPhase::kStarting:
    case RunPhase::kTraining:
      return fmt::format("finishing step {}, then saving", format_count(step_ + 1));
    case RunPhase::kEvaluating:
      return fmt::format("aborting the evaluation, then saving step {}", format_count(step_));
    case RunPhase::kSampling:
      return fmt::format("aborting the sample, then saving step {}", format_count(step_));
    case RunPhase::kPaused:
    case RunPhase::kFinishing:
      return fmt::format("saving step {}", format_count(step_));
  }
  return "";
}

/// The trainer only notices between steps that a save has ended, so the newest save may be complete or not.
std::string StopReporter::newest_checkpoint() const {
  if (saved_step_) return fmt::format("the last checkpoint is step {}", format_count(*saved_step_));
  if (started_save_)
    return fmt::format("the first checkpoint, of step {}, may not be complete", format_count(*started_save_));
  return "there is no checkpoint yet";
}

StopWords StopReporter::words() const {
  const std::lock_guard lock(mutex_);
  const bool unsaved = ready_ && !all_saved_;
  return {
      .now = what_happens(),
      .again = unsaved ? "exits without saving" : "exits immediately",
      .left = fmt::format("exited {}; {}", unsaved ? "without saving" : "immediately", newest_checkpoint())};
}

}  // namespace pretrain
