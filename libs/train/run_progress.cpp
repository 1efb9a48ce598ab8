// SPDX-License-Identifier: Apache-2.0
#include "libs/train/run_progress.h"

#include <algorithm>

#include <fmt/format.h>

#include "libs/base/units.h"
#include "libs/train/evaluation_plan.h"

namespace pretrain {
namespace {

using std::chrono::duration_cast;
using std::chrono::nanoseconds;
using Seconds = std::chrono::duration<double>;

/// Weight of the newest step in smoothed values: they look steady, and show a change within twenty steps. The
/// first steps have equal weights.
constexpr double kSmoothing = 0.05;
/// Seconds; 64-bit nanoseconds can't hold much more.
constexpr double kLongest = 9e9;

/// An exponential mean, which starts as the plain mean of the first values.
void smooth(double& value, double newest, uint64_t count) {
  value += std::max(kSmoothing, 1.0 / static_cast<double>(count)) * (newest - value);
}

}  // namespace

/// A session starts its own means: the one before may have had other threads or another machine.
void RunProgress::begin(const RunLimits& limits, const KnownAtStart& known, Time now) {
  run_ = {.limits = limits,
          .step = known.step,
          .tokens = known.tokens,
          .validation = known.validation,
          .saved_step = known.saved_step};
  applied_steps_ = 0;
  wait_seconds_ = 0;
  exchange_seconds_ = hidden_seconds_ = 0;
  start_ = now;
  saved_at_.reset();
  if (known.since_save) saved_at_ = now - std::max(*known.since_save, nanoseconds(0));
}

void RunProgress::note_place(uint64_t step, uint64_t tokens, uint32_t epoch) {
  run_.step = step;
  run_.tokens = tokens;
  run_.epoch = epoch;
}

void RunProgress::note_machine(const MachineEvent& event) {
  run_.machines = event.machines;
  if (event.kind == MachineEvent::Kind::kSlots) {
    run_.shares = event.shares;
  } else if (event.kind == MachineEvent::Kind::kJoined) {
    ++run_.joined_machines;
  } else {
    ++run_.lost_machines;
  }
}

/// The loss of a step that was not applied may be NaN, so it is left out of the smoothed loss.
void RunProgress::note_step(const StepRecord& record) {
  note_place(record.step, record.tokens, record.epoch);
  ++run_.steps;
  run_.step_seconds += record.step_seconds;
  wait_seconds_ += record.data_wait_seconds;
  exchange_seconds_ += record.exchange_seconds;
  hidden_seconds_ += record.exchange_hidden_seconds;
  run_.machines = record.machines;
  run_.learning_rate = record.learning_rate;
  smooth(run_.tokens_per_second, record.tokens_per_second, run_.steps);
  smooth(run_.utilization, record.utilization, run_.steps);
  if (!record.applied) {
    ++run_.bad_steps;
    return;
  }
  double loss = run_.loss.value_or(0);
  smooth(loss, record.loss, ++applied_steps_);
  run_.loss = loss;
}

void RunProgress::note_skipped_step(uint64_t step, uint64_t tokens, uint32_t epoch) {
  note_place(step, tokens, epoch);
  ++run_.skipped_steps;
}

void RunProgress::note_return(uint64_t step) {
  run_.step = step;
  ++run_.returns;
}

void RunProgress::note_saved(const SaveResult& result, Time now) {
  if (!result.ok) {
    run_.failed_save =
        fmt::format("checkpoint of step {} failed: {}", format_count(result.step), result.error);
    return;
  }
  run_.failed_save.clear();
  run_.saved_step = result.step;
  saved_at_ = now;
}

/// Values that depend on the time are computed here, so that a snapshot is always current.
RunSnapshot RunProgress::snapshot(Time now) const {
  RunSnapshot run = run_;
  if (run.step_seconds > 0) {
    run.wait_share = wait_seconds_ / run.step_seconds;
    run.exchange_share = (exchange_seconds_ - hidden_seconds_) / run.step_seconds;
  }
  if (exchange_seconds_ > 0) run.hidden_share = hidden_seconds_ / exchange_seconds_;
  if (saved_at_) run.since_save = now - *saved_at_;
  if (const auto seconds = seconds_left(now))
    run.time_left = duration_cast<nanoseconds>(Seconds(std::clamp(*seconds, 0.0, kLongest)));
  run.plan = planned_end(now);
  if (run.limits.epoch_tokens > 0) {
    const double epochs = static_cast<double>(run.tokens) / static_cast<double>(run.limits.epoch_tokens);
    run.epoch_progress = std::clamp(epochs - run.epoch, 0.0, 1.0);
  }
  return run;
}

/// What was spent grows with the clock, also between two steps. A run whose steps a resume has changed
/// has left its plan.
std::optional<PlannedEnd> RunProgress::planned_end(Time now) const {
  const RunLimits& limits = run_.limits;
  if (!limits.budget.decides(limits.max_steps)) return std::nullopt;
  return PlannedEnd{.budget_seconds = Seconds(limits.budget.time).count(),
                    .spent_seconds = limits.spent_seconds + Seconds(now - start_).count(),
                    .bits_per_byte = limits.budget.bits_per_byte,
                    .uncertainty = limits.budget.uncertainty,
                    .is_fixed = limits.budget.is_fixed};
}

/// The time until the first limit is reached; empty if there is none, or the speed is not known yet. Steps
/// are estimated from the mean step of the session, tokens and epochs from the smoothed speed. Only steps of
/// this session count, so that the estimate is right after a resume.
std::optional<double> RunProgress::seconds_left(Time now) const {
  const RunLimits& limits = run_.limits;
  std::optional<double> seconds;
  const auto lower = [&](double candidate) { seconds = std::min(seconds.value_or(candidate), candidate); };
  const double step_seconds = run_.steps > 0 ? run_.step_seconds / static_cast<double>(run_.steps) : 0;
  const auto until_tokens = [&](double tokens) {
    if (run_.tokens_per_second <= 0) return;
    const double left = std::max(0.0, tokens - static_cast<double>(run_.tokens)) / run_.tokens_per_second;
    lower(left + other_work_seconds(step_seconds > 0 ? left / step_seconds : 0));
  };
  if (limits.max_steps > 0 && run_.steps > 0) {
    const auto left = static_cast<double>(limits.max_steps - std::min(limits.max_steps, run_.step));
    lower(left * step_seconds + other_work_seconds(left));
  }
  if (limits.max_tokens > 0) until_tokens(static_cast<double>(limits.max_tokens));
  if (limits.max_epochs > 0 && limits.epoch_tokens > 0)
    until_tokens(static_cast<double>(limits.max_epochs) * static_cast<double>(limits.epoch_tokens));
  if (limits.max_time.count() > 0) lower(Seconds(limits.max_time - (now - start_)).count());
  if (const auto plan = planned_end(now); plan && !plan->is_fixed && seconds)
    lower(plan->budget_seconds - plan->spent_seconds);
  return seconds;
}

/// Evaluations and samples in this many steps, and at their end.
double RunProgress::other_work_seconds(double steps_left) const {
  if (steps_left <= 0) return 0;
  constexpr double kMostSteps = 1e18;
  const uint64_t last = run_.step + static_cast<uint64_t>(std::min(steps_left, kMostSteps));
  const auto is_multiple = [&](uint64_t every) { return every > 0 && last % every == 0; };
  const auto between = [&](uint64_t every) { return every > 0 ? last / every - run_.step / every : 0; };
  const uint64_t evaluations = evaluations_between(run_.limits.evaluate_every, run_.step, last) +
                               (is_multiple(run_.limits.evaluate_every) ? 0U : 1U);
  const uint64_t samples =
      between(run_.limits.sample_every) + (is_multiple(run_.limits.sample_every) ? 0U : 1U);
  return static_cast<double>(evaluations) * evaluation_seconds_ +
         static_cast<double>(samples) * sample_seconds_;
}

}  // namespace pretrain
