// SPDX-License-Identifier: Apache-2.0
// Ends in trouble: between steps that are not finite, by exceptions of any kind, on the way back to a
// checkpoint. What was sound before is there afterwards, and nothing is saved that is not one state of a run.

#include <new>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/train/trainer.h"
#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

using test::contains;
using test::error_of;
using test::steps_only;
using test::TestRun;
using testing::ElementsAre;

/// In one session, with these batches poisoned.
void train_poisoned(TestRun& run, const std::set<uint64_t>& poisoned, uint64_t steps) {
  run.poison();
  run.source.poisoned = poisoned;
  run.train(steps_only(steps));
}

void expect_same_run(const TestRun& actual, const TestRun& expected) {
  EXPECT_EQ(actual.parameters(), expected.parameters());
  EXPECT_EQ(actual.newest_hashes(), expected.newest_hashes());
}

TEST(TrainerRescue, ALimitBetweenBadStepsSavesTheStepBeforeThem) {
  TestRun run;
  run.poison();
  run.source.poisoned = {2, 3, 4};
  const RunSummary summary = run.train(steps_only(4));
  EXPECT_EQ(summary.last_step, 4U);
  EXPECT_EQ(summary.saved_step, 2U);
  EXPECT_TRUE(summary.ended_amid_bad_steps);
  EXPECT_THAT(run.checkpoint_steps(), ElementsAre(2, 0));
}

TEST(TrainerRescue, AfterAnEndBetweenBadStepsTheRunIsTheSame) {
  TestRun straight;
  train_poisoned(straight, {2, 3, 4, 8}, 12);
  TestRun stopped;
  stopped.poison();
  stopped.source.poisoned = {2, 3, 4, 8};
  for (const uint64_t steps : {3U, 4U, 5U, 9U, 12U}) stopped.train(steps_only(steps));
  expect_same_run(stopped, straight);
}

TEST(TrainerRescue, AfterAnEndBetweenBadStepsTheLogHasEachStepOnce) {
  TestRun run;
  run.poison();
  run.source.poisoned = {4, 5, 6};
  run.train(steps_only(6));            // between bad steps; the last save was before the first step
  testing::internal::CaptureStdout();  // where the log goes
  run.train(steps_only(9));
  EXPECT_THAT(testing::internal::GetCapturedStdout(), testing::Not(testing::HasSubstr("changed since")))
      << "the log is as the checkpoint says";
  std::vector<uint64_t> steps;
  for (const auto& record : run.log()) {
    if (record.at("kind") == "step") steps.push_back(record.at("step"));
  }
  EXPECT_THAT(steps, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST(TrainerRescue, AStopBetweenBadStepsSavesTheStepBeforeThem) {
  TestRun straight;
  train_poisoned(straight, {4, 5}, 9);
  TestRun run;
  run.poison();
  run.source.poisoned = {4, 5};
  run.observer.after_step = [&](uint64_t step) {
    if (step == 6) run.stop.request_stop();
  };
  EXPECT_EQ(run.train(steps_only(9)).reason, EndReason::kStopped);
  EXPECT_THAT(run.checkpoint_steps(), ElementsAre(4, 0));
  run.stop = std::stop_source();
  run.observer.after_step = {};
  run.train(steps_only(9));
  expect_same_run(run, straight);
}

TEST(TrainerRescue, AnErrorBetweenBadStepsSavesTheStepBeforeThem) {
  TestRun straight;
  train_poisoned(straight, {4, 5}, 9);
  TestRun run;
  run.poison();
  run.source.poisoned = {4, 5};
  run.source.fails_at = 6;
  EXPECT_TRUE(contains(error_of([&] { run.train(steps_only(9)); }), "shard x changed"));
  EXPECT_THAT(run.checkpoint_steps(), ElementsAre(4, 0));
  run.source.fails_at = std::nullopt;
  run.train(steps_only(9));
  expect_same_run(run, straight);
}

TEST(TrainerRescue, ASaveBetweenBadStepsRemovesNoOlderCheckpoint) {
  TestRun run;
  run.keep = 2;
  run.poison();
  run.source.poisoned = {7, 8};
  TrainerOptions options = steps_only(9);
  options.checkpoint_every = 3;
  run.train(options);
  EXPECT_THAT(run.checkpoint_steps(), ElementsAre(7, 6, 3));
  options.max_steps = 12;
  run.train(options);
  EXPECT_THAT(run.checkpoint_steps(), ElementsAre(12, 7)) << "once it is over, the newest count again";
}

TEST(TrainerRescue, ARunThatGaveUpLeavesItsCheckpointsHoweverOftenItIsStartedAgain) {
  TestRun run;
  run.keep = 2;
  run.poison();
  for (uint64_t batch = 5; batch < 40; ++batch) run.source.poisoned.insert(batch);
  TrainerOptions options = steps_only(60);
  options.checkpoint_every = 2;
  for (int start = 0; start < 4; ++start) {
    const auto error = error_of([&] { run.train(options); });
    EXPECT_TRUE(contains(error, "steps 6 to 11")) << error->what();
    EXPECT_THAT(run.checkpoint_steps(), ElementsAre(4, 2)) << "start " << start;
  }
}

TEST(TrainerRescue, ARunThatGaveUpTellsTheStepsAndTheCheckpointBeforeThem) {
  TestRun run;
  run.poison();
  run.source.poisoned = {2, 3, 4, 5, 6, 7};
  try {
    run.train(steps_only(20));
    FAIL() << "it must give up";
  } catch (const Diverged& diverged) {
    EXPECT_EQ(diverged.facts().first_step, 3U);
    EXPECT_EQ(diverged.facts().last_step, 8U);
    EXPECT_EQ(diverged.facts().checkpoint_step, 0U);
  }
}

/// Earlier versions saved between bad steps. Such a run continues exactly, and returns to before them.
TEST(TrainerRescue, ACheckpointBetweenBadStepsIsNotReturnedTo) {
  TestRun run;
  run.poison();
  run.source.poisoned = {2, 3, 4, 5, 6};
  run.train(steps_only(2));
  run.save_between_bad_steps(4, {{3, 2}, {4, 3}});
  const RunSummary summary = run.train(steps_only(12));
  EXPECT_EQ(summary.first_step, 4U);
  EXPECT_EQ(summary.run.returns, 1U);
  EXPECT_EQ(summary.last_step, 12U);
  std::vector<uint64_t> returns;
  for (const auto& record : run.log()) {
    if (record.contains("returned_from")) returns.push_back(record["step"]);
  }
  EXPECT_THAT(returns, ElementsAre(2));
}

TEST(TrainerRescue, AnyExceptionOfTheSourceEndsInASave) {
  TestRun run;
  run.source.before_batch = [](uint64_t batch) {
    if (batch == 6) throw std::bad_alloc();
  };
  EXPECT_THROW(run.train(steps_only(20)), std::bad_alloc);
  EXPECT_EQ(run.checkpoint_steps().front(), 6U);
  run.source.before_batch = [](uint64_t batch) {
    if (batch == 8) throw 42;  // nothing that anybody knows
  };
  EXPECT_THROW(run.train(steps_only(20)), int);
  EXPECT_EQ(run.checkpoint_steps().front(), 8U);
}

TEST(TrainerRescue, AnExceptionOfAnObserverEndsInASave) {
  TestRun run;
  run.observer.after_step = [](uint64_t step) {
    if (step == 5) throw std::runtime_error("terminal is gone");
  };
  EXPECT_THROW(run.train(steps_only(20)), std::runtime_error);
  EXPECT_EQ(run.checkpoint_steps().front(), 5U);
}

TEST(TrainerRescue, AnExceptionInsideAStepLosesNoBatch) {
  TestRun straight;
  straight.train(steps_only(9));
  TestRun run;
  uint64_t tensors = 0;
  run.probe = [&](std::string_view, std::span<float>) {
    if (++tensors == 150) throw std::bad_alloc();
  };
  EXPECT_THROW(run.train(steps_only(9)), std::bad_alloc);
  const uint64_t saved = run.checkpoint_steps().front();
  EXPECT_GT(saved, 0U);
  EXPECT_LT(saved, 9U);
  EXPECT_EQ(run.observer.steps.size(), saved);
  run.probe = {};
  run.train(steps_only(9));
  expect_same_run(run, straight);
}

TEST(TrainerRescue, AnExceptionOfTheLastEvaluationComesAfterASave) {
  TestRun run;
  run.observer.at_progress = [&] {
    if (run.observer.finishing > 0) throw std::bad_alloc();
  };
  EXPECT_THROW(run.train(steps_only(4)), std::bad_alloc);
  EXPECT_EQ(run.checkpoint_steps().front(), 4U);
}

/// A run that returns once, and does something when its source is opened for the second time.
void poison_with_return(TestRun& run, int& opened, const std::function<void()>& at_return) {
  run.poison();
  run.source.poisoned = {2, 3, 4, 5, 6};
  run.source.when_opened = [&opened, at_return] {
    if (++opened == 2) at_return();
  };
}

TEST(TrainerRescue, AStopOnTheWayBackEndsTheRunAndSavesNothing) {
  TestRun straight;
  train_poisoned(straight, {2, 3, 4, 5, 6}, 12);
  TestRun run;
  int opened = 0;
  poison_with_return(run, opened, [] { throw Stopped(); });
  const RunSummary summary = run.train(steps_only(12));
  EXPECT_EQ(summary.reason, EndReason::kStopped);
  EXPECT_EQ(summary.saved_step, 0U);
  EXPECT_THAT(run.checkpoint_steps(), ElementsAre(0));
  run.train(steps_only(12));
  expect_same_run(run, straight);
}

TEST(TrainerRescue, AnErrorOnTheWayBackIsToldAndSavesNothing) {
  TestRun run;
  int opened = 0;
  poison_with_return(run, opened, [] { fail(ErrorKind::kData, "shard x is gone"); });
  EXPECT_TRUE(contains(error_of([&] { run.train(steps_only(12)); }), "shard x is gone"));
  EXPECT_THAT(run.checkpoint_steps(), ElementsAre(0));
}

TEST(TrainerRescue, ACheckpointThatCannotBeLoadedOnTheWayBackIsToldAndLeavesNoMixture) {
  TestRun run;
  run.poison();
  run.source.poisoned = {2, 3, 4, 5, 6};
  run.observer.after_step = [&](uint64_t step) {
    if (step == 6) run.save_without_optimizer(1);  // it verifies, and parameters can be read
  };
  EXPECT_TRUE(contains(error_of([&] { run.train(steps_only(12)); }), "optimizer.safetensors"));
  EXPECT_THAT(run.checkpoint_steps(), ElementsAre(1, 0));
}

}  // namespace
}  // namespace pretrain
