// SPDX-License-Identifier: Apache-2.0
// The trainer's evaluations and samples, at both ends of a session and between steps.

#include <limits>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/units.h"
#include "libs/train/evaluation_budget.h"
#include "libs/train/evaluation_plan.h"
#include "libs/train/trainer.h"

namespace pretrain {
namespace {

/// About ten rounds: enough that one of them has all cores, and short compared with an evaluation.
constexpr std::chrono::milliseconds kPeakMeasurement(20);
/// After a stop request, an evaluation is only made if it is expected to take less than this.
constexpr std::chrono::duration<double> kQuickEvaluation(2.0);

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool due(uint64_t every, uint64_t step) {
  return every > 0 && step % every == 0;
}

/// Aborts an evaluation for which there is no time.
struct TooLong {
  double expected_seconds;
};

}  // namespace

/// At the start of a session: evaluates and samples if an uninterrupted run would have done so after this
/// step.
void Trainer::catch_up() {
  if (state_.step == 0 || evaluation_is_due(options_.evaluate_every, state_.step)) evaluate_between_steps();
  if (state_.step == 0 || due(options_.sample_every, state_.step)) sample_now();
}

/// In a session with a time limit, skips an evaluation that does not fit into its share of the time.
void Trainer::evaluate_between_steps() {
  const double left = evaluation_seconds_left(options_.max_time, recorder_.summary().split.evaluation);
  if (expected_evaluation_seconds() > left) return tell_left_out();
  const auto start = Clock::now();
  try {
    evaluate_within(left, parts_.stop);
  } catch (const TooLong& found) {
    model_.take_seconds();  // discards them, because they belong to no step
    evaluation_seconds_ = found.expected_seconds;
    recorder_.summary().split.evaluation += seconds_since(start);
    recorder_.end_work();
    tell_left_out();
  }
}

void Trainer::tell_left_out() {
  if (parts_.evaluation.target_count == 0 || std::exchange(left_out_told_, true)) return;
  const std::chrono::duration<double> expected(expected_evaluation_seconds());
  log_info(
      "skipping evaluations before the last one: one takes about {}, and all together may take a tenth of a "
      "session of {}",
      format_duration(std::chrono::duration_cast<std::chrono::nanoseconds>(expected)),
      format_duration(options_.max_time));
}

void Trainer::evaluate_now(const std::stop_token& stop) {
  evaluate_within(std::numeric_limits<double>::infinity(), stop);
}

/// Does nothing if the step was evaluated already. The peak rate is measured next to each evaluation.
/// Errors: TooLong, Stopped.
void Trainer::evaluate_within(double most_seconds, const std::stop_token& stop) {
  if (parts_.evaluation.target_count == 0) return;
  if (state_.evaluation && state_.evaluation->step == state_.step) return;
  const auto start = Clock::now();
  recorder_.begin_work(RunPhase::kEvaluating);
  // Measure repeatedly: if another program on the host was using a core, a single measurement would be too
  // low and every utilisation too high.
  parts_.peak.measure(kPeakMeasurement);
  const auto rows = static_cast<uint64_t>(model_.rows());
  EvaluationForecast forecast(most_seconds, (parts_.evaluation.sequences + rows - 1) / rows);
  const EvaluationResult result = evaluate(model_, parts_.evaluation, stop, [&, first = Clock::now()] {
    recorder_.note_progress();
    if (!forecast.goes_on(seconds_since(first))) throw TooLong{forecast.expected_seconds()};
  });
  model_.take_seconds();
  evaluation_seconds_ = seconds_since(start);
  recorder_.summary().split.evaluation += evaluation_seconds_;
  state_.evaluation = {.step = state_.step, .result = result};
  if (!state_.first_evaluation) state_.first_evaluation = state_.evaluation;
  recorder_.note_evaluation(*state_.evaluation, state_.tokens, parts_.peak.flops());
  recorder_.end_work();
}

/// Evaluates after a stop request, but only if it is quick: the user is waiting.
void Trainer::evaluate_if_quick() {
  if (state_.step == recorder_.summary().first_step) return;
  const double expected = expected_evaluation_seconds();
  if (expected <= 0 || expected >= kQuickEvaluation.count()) return;
  evaluate_now({});
}

/// The time of the last evaluation, or else estimated from the forward pass of a step; 0: not known.
double Trainer::expected_evaluation_seconds() const {
  if (evaluation_seconds_ > 0) return evaluation_seconds_;
  size_t positions = 0;
  for (const Batch& batch : batches_) positions += batch.inputs.size();
  if (positions == 0) return 0;
  return forward_seconds_ * static_cast<double>(parts_.evaluation.sequences * parts_.evaluation.context) /
         static_cast<double>(positions);
}

void Trainer::sample_now() {
  if (!parts_.write_samples || last_sampled_ == state_.step || parts_.stop.stop_requested()) return;
  const auto start = Clock::now();
  recorder_.begin_work(RunPhase::kSampling);
  for (const Sample& sample : parts_.write_samples(state_.step, parameters_.data()))
    recorder_.note_sample(sample);
  recorder_.end_work();
  recorder_.summary().split.samples += seconds_since(start);
  last_sampled_ = state_.step;
}

}  // namespace pretrain
