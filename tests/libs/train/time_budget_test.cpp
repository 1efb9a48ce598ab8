// SPDX-License-Identifier: Apache-2.0
#include "libs/train/time_budget.h"

#include <gtest/gtest.h>

#include "libs/metrics/record_reader.h"
#include "libs/train/run_control.h"
#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

using test::steps_only;
using test::TestRun;

constexpr Schedule kSchedule{.kind = ScheduleKind::kWsd, .warmup_steps = 2, .total_steps = 100};

TimeBudget budget_of(int seconds, uint64_t most) {
  return {.time = std::chrono::seconds(seconds), .most_steps = most};
}

/// The step after which a machine with steps of this length fixes its number of steps, and that number.
std::pair<uint64_t, uint64_t> fixed(const TimeBudget& budget, double step_seconds) {
  for (uint64_t step = 1;; ++step) {
    const auto steps = steps_to_fix(
        budget, kSchedule, {.step = step, .spent_seconds = static_cast<double>(step) * step_seconds});
    if (steps) return {step, *steps};
  }
}

TEST(TimeBudget, StepsAreFixedWhereTheCooldownOfTheFittingRunStarts) {
  const auto [at, steps] = fixed(budget_of(1000, 10'000), 1.0);
  EXPECT_EQ(steps, 980U);  // a reserve of 2 %
  EXPECT_EQ(at, 588U);     // 60 % of them
}

TEST(TimeBudget, ASlowerMachineFixesFewerStepsAndEarlier) {
  const auto [at, steps] = fixed(budget_of(1000, 10'000), 3.5);
  EXPECT_EQ(steps, 280U);
  EXPECT_EQ(at, 168U);
}

TEST(TimeBudget, AFasterMachineTrainsAtMostTheMostSteps) {
  const auto [at, steps] = fixed(budget_of(1000, 200), 0.001);
  EXPECT_EQ(steps, 200U);
  EXPECT_EQ(at, 120U);
}

TEST(TimeBudget, WhatIsSpentBesideStepsIsNotTakenForSlowSteps) {
  // 500 of 1,000 s passed before the first step; the end takes 30 s.
  const BudgetPace pace{.step = 270, .spent_seconds = 770, .start_seconds = 500, .finish_seconds = 30};
  EXPECT_EQ(steps_to_fix(budget_of(1000, 10'000), kSchedule, pace), 450U);
}

TEST(TimeBudget, ABudgetThatIsSpentEndsWithTheNextStep) {
  const BudgetPace pace{.step = 50, .spent_seconds = 2000};
  EXPECT_EQ(steps_to_fix(budget_of(1000, 10'000), kSchedule, pace), 51U);
}

/// A run with a budget on a machine whose clock counts steps: each takes `step_seconds`.
struct PacedRun {
  explicit PacedRun(double seconds_per_step) : step_seconds(seconds_per_step) {
    run.observer.after_step = [this](uint64_t step) {
      now += step_seconds;
      if (step == stop_after) run.stop.request_stop();
    };
    run.clock = [this] { return now; };
    run.fix_steps = [this](const FixedSteps& fixed) {
      fixed_to = fixed.steps;
      warmup = fixed.warmup;
      return nlohmann::json{{"steps", std::to_string(fixed.steps)}};
    };
  }

  RunSummary train() {
    TrainerOptions options = steps_only(planned);
    options.schedule = {
        .kind = ScheduleKind::kWsd, .peak = 1e-3, .warmup_steps = warmup, .total_steps = planned};
    options.budget = budget_of(100, 2 * planned);
    if (fixed_to > 0) {  // as the configuration in the checkpoint says
      options.max_steps = options.schedule.total_steps = fixed_to;
      options.budget.is_fixed = true;
    }
    run.stop = std::stop_source();
    return run.train(options);
  }

  static constexpr uint64_t planned = 49;  // of 2 s each
  TestRun run;
  double now = 5, step_seconds;
  uint64_t fixed_to = 0;
  uint64_t warmup = 2;
  uint64_t stop_after = UINT64_MAX;
};

TEST(TimeBudget, ARunOnASlowerMachineEndsCooledDownWithinItsBudget) {
  PacedRun slow(5);
  const RunSummary summary = slow.train();
  EXPECT_EQ(summary.reason, EndReason::kLimit);
  EXPECT_EQ(summary.last_step, slow.fixed_to);
  EXPECT_EQ(slow.fixed_to, 19U);
  EXPECT_LE(slow.now, 5 + 100.0);
  const auto& steps = slow.run.observer.steps;
  EXPECT_EQ(steps[10].learning_rate, 1e-3);         // step 11 of 19 is still at the peak
  EXPECT_LT(steps.back().learning_rate, 1e-3 / 5);  // and the last one nearly at zero
  EXPECT_LT(steps[12].learning_rate, steps[11].learning_rate);
}

/// As on a machine that was idle when the run was planned and is busy since.
TEST(TimeBudget, ARunThatEndsBeforeItsWarmupWouldIsCooledDownToo) {
  PacedRun slow(8);
  slow.warmup = 20;
  const RunSummary summary = slow.train();
  EXPECT_EQ(summary.last_step, 12U);
  EXPECT_EQ(slow.warmup, 8U) << "the step at which the steps were fixed";
  const auto& steps = slow.run.observer.steps;
  for (size_t i = 9; i < steps.size(); ++i)
    EXPECT_LT(steps[i].learning_rate, steps[i - 1].learning_rate) << "step " << i + 1;
  EXPECT_LT(steps.back().learning_rate, 1e-3 / 4);
}

TEST(TimeBudget, ARunOnAFasterMachineUsesItsBudget) {
  PacedRun fast(1.25);
  EXPECT_EQ(fast.train().last_step, 77U);
  PacedRun much_faster(0.01);
  EXPECT_EQ(much_faster.train().last_step, 2 * PacedRun::planned);
}

TEST(TimeBudget, APauseIsNotSpent) {
  PacedRun plain(5);
  plain.train();
  PacedRun paused(5);
  RunControl control;
  paused.run.control = &control;
  uint64_t pauses = 0;
  paused.run.observer.after_step = [&, after_step = paused.run.observer.after_step](uint64_t step) {
    after_step(step);
    if (step == 4) control.pause(PauseReason::kRequest);
  };
  paused.run.observer.at_progress = [&] {
    if (!control.pause_due()) return;
    paused.now += 60;
    ++pauses;
    control.proceed();
  };
  paused.train();
  EXPECT_EQ(pauses, 1U);
  EXPECT_EQ(paused.fixed_to, plain.fixed_to);
  EXPECT_EQ(paused.run.parameters(), plain.run.parameters());
}

TEST(TimeBudget, TheStepsAreInTheCheckpointAtWhichTheyWereFixed) {
  PacedRun slow(5);
  slow.train();
  const auto checkpoints = slow.run.checkpoint_steps();
  EXPECT_NE(std::ranges::find(checkpoints, 12U), checkpoints.end()) << testing::PrintToString(checkpoints);
  const auto manifest =
      verify_checkpoint(checkpoints_folder(slow.run.state_folder()) / checkpoint_name(12)).manifest;
  EXPECT_EQ(manifest.configuration.at("steps"), "19");
  bool is_recorded = false;
  for (const auto& record : slow.run.log()) is_recorded |= record.at("kind") == "settings";
  EXPECT_TRUE(is_recorded);
}

TEST(TimeBudget, AResumeAfterTheRecordGivesTheSameBitsOnAnyMachine) {
  PacedRun whole(5);
  whole.train();
  PacedRun resumed(5);
  resumed.stop_after = 14;  // after step 12, which has the record
  resumed.train();
  ASSERT_EQ(resumed.fixed_to, 19U);
  resumed.stop_after = UINT64_MAX;
  resumed.step_seconds = 40;  // the machine is much slower now; the steps stay
  EXPECT_EQ(resumed.train().last_step, 19U);
  EXPECT_EQ(resumed.run.parameters(), whole.run.parameters());
  EXPECT_EQ(resumed.run.newest_hashes(), whole.run.newest_hashes());
}

TEST(TimeBudget, AResumeBeforeTheRecordCountsWhatWasSpent) {
  PacedRun whole(5);
  whole.train();
  PacedRun resumed(5);
  resumed.stop_after = 6;
  resumed.train();
  ASSERT_EQ(resumed.fixed_to, 0U);
  resumed.now += 10'000;  // between the sessions
  resumed.stop_after = UINT64_MAX;
  resumed.train();
  EXPECT_EQ(resumed.fixed_to, whole.fixed_to);
  EXPECT_EQ(resumed.run.parameters(), whole.run.parameters());
}

}  // namespace
}  // namespace pretrain
