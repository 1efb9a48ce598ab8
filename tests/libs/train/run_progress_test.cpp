// SPDX-License-Identifier: Apache-2.0
#include "libs/train/run_progress.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using Time = RunProgress::Time;

const Time kStart(hours(1000));

/// A step of two seconds and 1,000 tokens.
StepRecord step(uint64_t number, double loss = 2.0) {
  return {.step = number,
          .tokens = 1000 * number,
          .step_tokens = 1000,
          .loss = loss,
          .learning_rate = 1e-3 * static_cast<double>(number),
          .step_seconds = 2,
          .data_wait_seconds = 0.5,
          .tokens_per_second = 500,
          .utilization = 0.4};
}

RunProgress begun(const RunLimits& limits, const KnownAtStart& known = {}) {
  RunProgress progress;
  progress.begin(limits, known, kStart);
  return progress;
}

double left_seconds(const RunSnapshot& run) {
  return run.time_left ? std::chrono::duration<double>(*run.time_left).count() : NAN;
}

/// The plan predicts the end that it chose, not that of more steps.
TEST(RunProgress, ARunWithOtherStepsThanItsPlansHasNoPrediction) {
  RunLimits limits{.max_steps = 90, .budget = {.time = hours(8), .steps = 90, .bits_per_byte = 1.5}};
  auto progress = begun(limits);
  EXPECT_EQ(progress.snapshot(kStart).plan->bits_per_byte, 1.5);
  progress.note_fixed_steps(70);
  EXPECT_TRUE(progress.snapshot(kStart).plan) << "fewer steps in the same time are the plan's";
  limits.budget.is_fixed = true;
  EXPECT_TRUE(begun(limits).snapshot(kStart).plan);
  limits.max_steps = 180;
  EXPECT_FALSE(begun(limits).snapshot(kStart).plan);
}

TEST(RunProgress, BeginsWithWhatIsKnown) {
  const auto progress =
      begun({.max_steps = 9}, {.step = 20,
                               .tokens = 20'000,
                               .validation = StepEvaluation{.step = 15, .result = {.loss = 3}},
                               .saved_step = 20,
                               .since_save = minutes(7)});
  const RunSnapshot run = progress.snapshot(kStart + seconds(3));
  EXPECT_EQ(run.phase, RunPhase::kStarting);
  EXPECT_EQ(run.limits.max_steps, 9U);
  EXPECT_EQ(run.step, 20U);
  EXPECT_EQ(run.tokens, 20'000U);
  EXPECT_EQ(run.steps, 0U);
  EXPECT_EQ(run.validation->step, 15U);
  EXPECT_EQ(run.saved_step, 20U);
  EXPECT_EQ(run.since_save, minutes(7) + seconds(3));
  EXPECT_FALSE(run.loss);
  EXPECT_FALSE(run.time_left) << "the speed is not known";
}

TEST(RunProgress, TakesAClockThatWasSetBackForNoAge) {
  const auto progress = begun({}, {.since_save = -hours(5)});
  EXPECT_EQ(progress.snapshot(kStart).since_save, nanoseconds(0));
}

TEST(RunProgress, FollowsTheSteps) {
  RunProgress progress = begun({});
  for (uint64_t n = 1; n <= 4; ++n) progress.note_step(step(n));
  const RunSnapshot run = progress.snapshot(kStart);
  EXPECT_EQ(run.step, 4U);
  EXPECT_EQ(run.tokens, 4000U);
  EXPECT_EQ(run.steps, 4U);
  EXPECT_DOUBLE_EQ(run.step_seconds, 8);
  EXPECT_DOUBLE_EQ(run.wait_share, 0.25);
  EXPECT_DOUBLE_EQ(run.learning_rate, 4e-3);
  EXPECT_DOUBLE_EQ(run.tokens_per_second, 500);
  EXPECT_DOUBLE_EQ(run.utilization, 0.4);
  EXPECT_DOUBLE_EQ(*run.loss, 2.0);
  EXPECT_FALSE(run.time_left) << "there is no limit";
  EXPECT_FALSE(run.epoch_progress);
}

TEST(RunProgress, SharesOfTheExchangeLeaveOutWhatIsHidden) {
  RunProgress progress = begun({});
  progress.note_step(
      {.step = 1, .step_seconds = 6, .machines = 2, .exchange_seconds = 3, .exchange_hidden_seconds = 2});
  progress.note_step(
      {.step = 2, .step_seconds = 4, .machines = 2, .exchange_seconds = 1, .exchange_hidden_seconds = 1});
  const RunSnapshot run = progress.snapshot(kStart);
  EXPECT_DOUBLE_EQ(run.exchange_share, 0.1);
  EXPECT_DOUBLE_EQ(run.hidden_share, 0.75);
}

/// The first losses count alike, later ones with a twentieth of the newest.
TEST(RunProgress, SmoothsTheLoss) {
  RunProgress progress = begun({});
  double mean = 0;
  for (uint64_t n = 1; n <= 20; ++n) {
    progress.note_step(step(n, static_cast<double>(n)));
    mean += static_cast<double>(n) / 20;
  }
  EXPECT_NEAR(*progress.snapshot(kStart).loss, mean, 1e-12);
  progress.note_step(step(21, 110.5));
  EXPECT_NEAR(*progress.snapshot(kStart).loss, mean + 5, 1e-12);
}

TEST(RunProgress, LeavesBadStepsOutOfTheLossAndCountsThem) {
  RunProgress progress = begun({});
  StepRecord bad = step(1, NAN);
  bad.applied = false;
  progress.note_step(bad);
  EXPECT_FALSE(progress.snapshot(kStart).loss);
  progress.note_step(step(2, 4.0));
  bad.step = 3;
  progress.note_step(bad);
  const RunSnapshot run = progress.snapshot(kStart);
  EXPECT_DOUBLE_EQ(*run.loss, 4.0);
  EXPECT_EQ(run.bad_steps, 2U);
  EXPECT_EQ(run.step, 3U);
}

TEST(RunProgress, ForeseesTheLastStep) {
  RunProgress progress = begun({.max_steps = 10});
  for (uint64_t n = 1; n <= 4; ++n) progress.note_step(step(n));
  EXPECT_DOUBLE_EQ(left_seconds(progress.snapshot(kStart)), 12);
  progress.note_step(step(11));
  EXPECT_DOUBLE_EQ(left_seconds(progress.snapshot(kStart)), 0) << "a limit that was passed";
}

TEST(RunProgress, ForeseesTheLastToken) {
  RunProgress progress = begun({.max_tokens = 10'000});
  progress.note_step(step(4));
  EXPECT_DOUBLE_EQ(left_seconds(progress.snapshot(kStart)), 12);
}

TEST(RunProgress, ForeseesTheEndOfTheLastEpoch) {
  RunProgress progress = begun({.max_epochs = 3, .epoch_tokens = 50'000});
  EXPECT_FALSE(progress.snapshot(kStart).time_left);
  progress.note_step(step(20));
  EXPECT_DOUBLE_EQ(left_seconds(progress.snapshot(kStart)), 260) << "130,000 tokens at 500 a second";
  progress.note_step(step(151));
  EXPECT_DOUBLE_EQ(left_seconds(progress.snapshot(kStart)), 0) << "epochs are longer than estimated";
  RunProgress unknown = begun({.max_epochs = 3});
  unknown.note_step(step(20));
  EXPECT_FALSE(unknown.snapshot(kStart).time_left) << "nobody knows how long an epoch is";
}

TEST(RunProgress, ForeseesEvaluationsAndSamples) {
  RunProgress progress = begun({.max_steps = 1000, .evaluate_every = 100, .sample_every = 250});
  for (uint64_t n = 1; n <= 500; ++n) progress.note_step(step(n));
  EXPECT_DOUBLE_EQ(left_seconds(progress.snapshot(kStart)), 1000) << "how long they take is not known";
  progress.note_evaluation_time(10);
  progress.note_sample_time(1);
  EXPECT_DOUBLE_EQ(left_seconds(progress.snapshot(kStart)), 1000 + 5 * 10 + 2 * 1);
  RunProgress odd = begun({.max_tokens = 950'000, .evaluate_every = 100});
  for (uint64_t n = 1; n <= 500; ++n) odd.note_step(step(n));
  odd.note_evaluation_time(10);
  EXPECT_DOUBLE_EQ(left_seconds(odd.snapshot(kStart)), 900 + 5 * 10) << "four, and the last one at the end";
}

TEST(RunProgress, ForeseesTheEndAfterAResumeFromTheStepsOfTheSession) {
  RunProgress progress = begun({.max_steps = 10'010}, {.step = 10'000, .tokens = 10'000'000});
  progress.note_step(step(10'001));
  EXPECT_DOUBLE_EQ(left_seconds(progress.snapshot(kStart + hours(1))), 18);
}

TEST(RunProgress, LeavesPausesOutOfALimitedTime) {
  RunProgress progress = begun({.max_time = minutes(10)});
  progress.note_step(step(1));
  progress.note_paused(PauseReason::kRequest);
  EXPECT_EQ(progress.snapshot(kStart).pause, PauseReason::kRequest);
  progress.note_pause(hours(2));
  EXPECT_FALSE(progress.snapshot(kStart).pause);
  EXPECT_DOUBLE_EQ(left_seconds(progress.snapshot(kStart + hours(2) + minutes(1))), 540);
}

TEST(RunProgress, CountsALimitedTimeFromTheBeginningOfTheSession) {
  const RunProgress progress = begun({.max_time = seconds(90)});
  EXPECT_DOUBLE_EQ(left_seconds(progress.snapshot(kStart + seconds(30))), 60);
  EXPECT_DOUBLE_EQ(left_seconds(progress.snapshot(kStart + seconds(91))), 0);
}

TEST(RunProgress, TakesTheLimitThatIsReachedFirst) {
  RunProgress progress = begun(
      {.max_steps = 1000, .max_tokens = 11'000, .max_epochs = 1, .epoch_tokens = 9000, .max_time = hours(1)});
  progress.note_step(step(4));
  EXPECT_DOUBLE_EQ(left_seconds(progress.snapshot(kStart)), 10) << "the epoch";
  EXPECT_DOUBLE_EQ(left_seconds(progress.snapshot(kStart + minutes(59) + seconds(55))), 5) << "the time";
}

TEST(RunProgress, ForeseesNoMoreThanADurationHolds) {
  RunProgress progress = begun({.max_steps = UINT64_MAX});
  progress.note_step(step(1));
  EXPECT_GT(progress.snapshot(kStart).time_left, hours(24 * 365 * 200));
}

TEST(RunProgress, EstimatesTheShareOfTheEpoch) {
  RunProgress progress = begun({.epoch_tokens = 8000});
  progress.note_step(step(2));
  EXPECT_DOUBLE_EQ(*progress.snapshot(kStart).epoch_progress, 0.25);
  StepRecord second = step(10);
  second.epoch = 1;
  progress.note_step(second);
  EXPECT_DOUBLE_EQ(*progress.snapshot(kStart).epoch_progress, 0.25);
  second.epoch = 2;
  progress.note_step(second);
  EXPECT_DOUBLE_EQ(*progress.snapshot(kStart).epoch_progress, 0) << "epochs are shorter than estimated";
  EXPECT_EQ(progress.snapshot(kStart).epoch, 2U);
}

TEST(RunProgress, KnowsTheNewestSaveAndThatOneFailed) {
  RunProgress progress = begun({});
  EXPECT_FALSE(progress.snapshot(kStart).since_save);
  progress.note_saved({.step = 10, .ok = true}, kStart + seconds(10));
  progress.note_saved({.step = 20, .ok = false, .error = "disk full"}, kStart + seconds(20));
  RunSnapshot run = progress.snapshot(kStart + seconds(25));
  EXPECT_EQ(run.since_save, seconds(15)) << "of the one that is safe";
  EXPECT_EQ(run.saved_step, 10U);
  EXPECT_EQ(run.failed_save, "checkpoint of step 20 failed: disk full");
  progress.note_saved({.step = 30, .ok = true}, kStart + seconds(30));
  run = progress.snapshot(kStart + seconds(30));
  EXPECT_EQ(run.failed_save, "");
  EXPECT_EQ(run.saved_step, 30U);
  EXPECT_EQ(run.since_save, seconds(0));
}

TEST(RunProgress, CountsWhatWasSkippedAndWhereTheRunIsAfterAReturn) {
  RunProgress progress = begun({});
  progress.note_skipped_step(5, 5000, 1);
  progress.note_skipped_step(6, 6000, 1);
  RunSnapshot run = progress.snapshot(kStart);
  EXPECT_EQ(run.skipped_steps, 2U);
  EXPECT_EQ(run.step, 6U);
  EXPECT_EQ(run.tokens, 6000U);
  EXPECT_EQ(run.epoch, 1U);
  EXPECT_EQ(run.steps, 0U) << "nothing was trained";
  progress.note_return(2);
  progress.note_lost_records({.in_metrics = 4, .in_events = 3});
  run = progress.snapshot(kStart);
  EXPECT_EQ(run.step, 2U);
  EXPECT_EQ(run.returns, 1U);
  EXPECT_EQ(run.lost_records.total(), 7U);
}

TEST(RunProgress, ForgetsASessionWhenAnotherBegins) {
  RunProgress progress = begun({.max_time = seconds(90)});
  progress.note_step(step(4, 9.0));
  progress.note_saved({.step = 4, .ok = true}, kStart);
  progress.begin({}, {.step = 4}, kStart + hours(1));
  progress.note_step(step(5, 1.0));
  const RunSnapshot run = progress.snapshot(kStart + hours(1));
  EXPECT_DOUBLE_EQ(*run.loss, 1.0);
  EXPECT_EQ(run.steps, 1U);
  EXPECT_FALSE(run.since_save);
  EXPECT_FALSE(run.time_left);
}

}  // namespace
}  // namespace pretrain
