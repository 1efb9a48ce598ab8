// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/event_hook.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "apps/pretrain/live_line.h"
#include "libs/base/command_process.h"
#include "libs/base/log.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

constexpr std::chrono::seconds kPatience(30);
constexpr size_t kMostWaiting = 16;

}  // namespace

EventHook::EventHook(std::string command, Path state)
    : command_(std::move(command)), state_(std::move(state)) {
  if (!command_.empty()) thread_ = std::jthread([this](const std::stop_token& kill) { run(kill); });
}

EventHook::~EventHook() {
  if (command_.empty()) return;
  {
    std::unique_lock lock(mutex_);
    closing_ = true;
    changed_.notify_all();
    const auto is_done = [this] { return waiting_.empty() && idle_; };
    constexpr std::chrono::seconds kSilence(1);
    if (!changed_.wait_for(lock, kSilence, is_done)) {
      log_info("waiting for the command of --on-event, at most {}", format_duration(kPatience));
      changed_.wait_for(lock, kPatience - kSilence, is_done);
    }
    waiting_.clear();
  }
  thread_.request_stop();
  thread_.join();
}

void EventHook::note(std::string_view event, uint64_t step, std::string message) {
  if (command_.empty()) return;
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kMostWaiting) return;
  waiting_.push_back({std::string(event), step, std::move(message)});
  changed_.notify_all();
}

void EventHook::run(const std::stop_token& kill) {
  while (true) {
    Event event;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !waiting_.empty() || closing_; });
      if (waiting_.empty()) return;
      event = std::move(waiting_.front());
      waiting_.pop_front();
      idle_ = false;
    }
    call(event, kill);
    const std::lock_guard lock(mutex_);
    idle_ = true;
    changed_.notify_all();
  }
}

/// Logs the first failure only, because the same command will usually fail again.
void EventHook::call(const Event& event, const std::stop_token& kill) {
  const std::string trouble = run_user_command({.command = command_,
                                                .environment = {{"PRETRAIN_EVENT", event.name},
                                                                {"PRETRAIN_STATE", state_.native()},
                                                                {"PRETRAIN_STEP", std::to_string(event.step)},
                                                                {"PRETRAIN_MESSAGE", event.message}},
                                                .input = event.message + "\n",
                                                .most = kPatience},
                                               kill);
  if (trouble.empty() || std::exchange(failure_told_, true)) return;
  log_warning("the command of --on-event {} (event {}); training continues", trouble, event.name);
}

/// One event for consecutive bad steps.
void EventHook::on_step(const StepRecord& record, const RunSnapshot&) {
  const bool was_bad = std::exchange(was_bad_, !record.applied);
  if (record.applied || was_bad) return;
  note("skipped_steps", record.step,
       fmt::format("step {} was skipped: loss or gradient is not finite", format_count(record.step)));
}

/// The first evaluation is no news.
void EventHook::on_evaluation(const StepEvaluation& evaluation, const RunSnapshot& run) {
  if (!run.best || run.best->since > 0 || evaluation.step == 0) return;
  note("new_best", evaluation.step,
       fmt::format("best evaluation so far, at step {}: {}", format_count(evaluation.step),
                   evaluation_text(evaluation.result)));
}

void EventHook::on_saved(const SaveResult& result) {
  if (result.ok) return;
  note("save_failed", result.step,
       fmt::format("checkpoint of step {} failed: {}", format_count(result.step), result.error));
}

void EventHook::on_paused(uint64_t step, PauseReason why, std::optional<std::chrono::seconds>) {
  note("paused", step, fmt::format("paused after step {} ({})", format_count(step), name_of(why)));
}

}  // namespace pretrain
