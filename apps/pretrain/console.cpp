// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/console.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "apps/pretrain/live_line.h"
#include "apps/pretrain/shell_text.h"
#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/terminal.h"
#include "libs/base/text.h"
#include "libs/base/units.h"

namespace pretrain {

Console::Console(Path state)
    : state_(std::move(state)), live_(error_is_terminal()), pace_(live_, log_place()) {}

Console::~Console() {
  clear_live_line();
}

void Console::show(const RunSnapshot& run) const {
  if (live_) return show_live_line(live_line(run, live_line_columns()));
  log_info("{}", status_line(run));
}

void Console::on_step(const StepRecord&, const RunSnapshot& run) {
  if (!pace_.is_due(std::chrono::steady_clock::now())) return;
  tell_epoch_time(run);
  show(run);
}

/// Logs how long one epoch takes, as soon as the speed is known.
void Console::tell_epoch_time(const RunSnapshot& run) {
  constexpr double kEnoughSeconds = 5;
  constexpr uint64_t kEnoughSteps = 3;
  const auto tokens = static_cast<double>(run.limits.epoch_tokens);
  if (epoch_time_told_ || tokens == 0 || run.tokens_per_second <= 0) return;
  if (run.steps < kEnoughSteps || run.step_seconds < kEnoughSeconds) return;
  epoch_time_told_ = true;
  constexpr double kLongest = 9e9;  // seconds; 64-bit nanoseconds can't hold much more
  const std::chrono::duration<double> epoch(std::min(tokens / run.tokens_per_second, kLongest));
  log_info("speed: {}; an epoch of about {} tokens takes about {}", format_rate(run.tokens_per_second),
           format_count(round_estimate(tokens)),
           format_duration(std::chrono::duration_cast<std::chrono::nanoseconds>(epoch)));
}

void Console::on_evaluation(const StepEvaluation& evaluation, const RunSnapshot& run) {
  log_info("validation at step {}: {}{}", format_count(evaluation.step), evaluation_text(evaluation.result),
           best_text(run));
}

void Console::on_sample(const Sample& sample) {
  log_info("sample at step {}:\n{}", format_count(sample.step),
           printable(sample.prompt + sample.text, LineBreaks::kKeep));
}

/// Ends the live line; the log continues below it.
void Console::on_finishing(uint64_t) {
  clear_live_line();
}

void Console::on_machine(const MachineEvent& event) {
  if (event.kind == MachineEvent::Kind::kSlots) {
    log_info("slots: {}", shares_text(event.shares));
    return;
  }
  const std::string now = format_counted(uint64_t{event.machines}, "machine");
  using Kind = MachineEvent::Kind;
  if (event.kind == Kind::kJoined) {
    log_info("{} joined; {} now", event.machine, now);
  } else if (event.kind == Kind::kLeft) {
    log_info("{} left: {}; {} now", event.machine, event.why, now);
  } else if (event.kind == Kind::kLost) {
    log_warning("lost {}: {}; continuing with {}", event.machine, event.why, now);
  } else {
    log_error("{} computes wrong results and was dismissed: {}; continuing without it", event.machine,
              event.why);
  }
}

void Console::on_paused(uint64_t step, PauseReason why, std::optional<std::chrono::seconds> time) {
  clear_live_line();
  std::string text = fmt::format("paused after step {}", format_count(step));
  if (why == PauseReason::kHours) text += ", outside of the active hours";
  if (why == PauseReason::kBattery) text += ", on battery";
  if (time) text += fmt::format(", for {}", format_duration(*time));
  log_info("{}; to continue: {}", text, command_on("pretrain continue", state_));
}

void Console::on_continued(uint64_t step, std::chrono::nanoseconds paused) {
  log_info("continuing after step {}; the pause took {}", format_count(step), format_duration(paused));
}

void Console::on_saved(const SaveResult& result) {
  if (!result.ok) return;  // the trainer has logged the error
  if (result.bytes > 0) {
    log_info("checkpoint of step {} saved: {} in {}", format_count(result.step), format_bytes(result.bytes),
             format_duration(result.duration));
  }
  if (!result.cleanup_error.empty())
    log_warning("can't remove an older checkpoint: {}", result.cleanup_error);
}

}  // namespace pretrain
