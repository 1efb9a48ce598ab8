// SPDX-License-Identifier: Apache-2.0
// A run that was interrupted is the run that was not: bit for bit.

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "libs/train/trainer.h"
#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

using test::steps_only;
using test::TestRun;

/// What identifies a step, without times.
std::vector<std::string> audit(const std::vector<nlohmann::json>& log) {
  std::vector<std::string> lines;
  for (const auto& record : log) {
    if (!record.contains("batch_hash")) continue;
    lines.push_back(fmt::format("{} {} {} {}", record.at("step").dump(), record.at("tokens").dump(),
                                record.at("loss").dump(), record.at("batch_hash").dump()));
  }
  return lines;
}

void expect_same_run(const TestRun& actual, const TestRun& expected) {
  EXPECT_EQ(actual.parameters(), expected.parameters());
  EXPECT_EQ(actual.newest_hashes(), expected.newest_hashes());
  EXPECT_EQ(audit(actual.log()), audit(expected.log()));
}

TEST(TrainerResume, ThreeSessionsOfTenStepsEqualOneOfThirty) {
  TestRun straight;
  straight.train(steps_only(30));
  TestRun resumed;
  for (const uint64_t steps : {10U, 20U, 30U}) {
    resumed.threads = static_cast<int>(steps / 10);  // the number of threads does not matter either
    const RunSummary summary = resumed.train(steps_only(steps));
    EXPECT_EQ(summary.first_step, steps - 10);
  }
  ASSERT_EQ(straight.newest_hashes().size(), 3U);
  expect_same_run(resumed, straight);
}

TEST(TrainerResume, WhatIsRecomputedMayChangeBetweenSessions) {
  TestRun straight;
  straight.model.layers = 3;
  straight.train(steps_only(9));
  TestRun resumed;
  resumed.model.layers = 3;
  TrainerOptions options = steps_only(0);
  for (const Recompute recompute : {Recompute::kLayers, Recompute::kNone, Recompute::kCheap}) {
    options.max_steps += 3;
    options.recompute = recompute;
    resumed.train(options);
  }
  expect_same_run(resumed, straight);
}

TEST(TrainerResume, ARunInBf16ContinuesBitForBit) {
  TrainerOptions options = steps_only(8);
  options.precision = Precision::kBf16;
  TestRun straight;
  straight.train(options);
  TestRun resumed;
  for (const uint64_t steps : {3U, 8U}) {
    options.max_steps = steps;
    resumed.threads = steps == 3 ? 1 : 2;
    resumed.train(options);
  }
  expect_same_run(resumed, straight);
  TestRun other;
  other.train(steps_only(8));
  EXPECT_NE(other.parameters(), straight.parameters());
}

TEST(TrainerResume, ARunWithMuonContinuesBitForBit) {
  for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
    TrainerOptions options = steps_only(9);
    options.precision = precision;
    options.optimizer = {.kind = OptimizerKind::kMuon,
                         .cautious_decay = true,
                         .muon = {.momentum_warmup = 6, .neuron_decay = 0.9}};
    TestRun straight;
    straight.train(options);
    TestRun resumed;
    for (const uint64_t steps : {2U, 5U, 9U}) {
      options.max_steps = steps;
      resumed.threads = static_cast<int>(steps % 4);
      resumed.train(options);
    }
    expect_same_run(resumed, straight);
    TestRun adamw;
    adamw.train(steps_only(9));
    EXPECT_NE(adamw.parameters(), straight.parameters());
  }
}

TEST(TrainerResume, ARunWhoseStepsGrowContinuesBitForBit) {
  TrainerOptions options = steps_only(9);
  options.accumulate = 3;
  options.schedule.ramp = {.steps = 6, .most = 3};
  TestRun straight;
  straight.train(options);
  TestRun resumed;
  for (const uint64_t steps : {2U, 5U, 9U}) {
    options.max_steps = steps;
    resumed.train(options);
  }
  expect_same_run(resumed, straight);
  const std::vector<StepRecord>& records = straight.observer.steps;
  ASSERT_EQ(records.size(), 9U);
  const auto targets_of = [&](size_t i) { return static_cast<double>(records[i].step_tokens); };
  EXPECT_NEAR(targets_of(3) / targets_of(0), 2, 0.3);
  EXPECT_NEAR(targets_of(8) / targets_of(0), 3, 0.3);
}

TEST(TrainerResume, AStopSavesWhereItStands) {
  TestRun straight;
  straight.train(steps_only(12));
  TestRun stopped;
  stopped.source.before_batch = [&](uint64_t batch) {
    if (batch == 5) stopped.stop.request_stop();
  };
  const RunSummary summary = stopped.train(steps_only(12));
  EXPECT_EQ(summary.reason, EndReason::kStopped);
  EXPECT_EQ(summary.last_step, 6U);  // the step under way was finished
  EXPECT_EQ(stopped.checkpoint_steps().front(), 6U);
  stopped.stop = std::stop_source();
  stopped.source.before_batch = {};
  stopped.train(steps_only(12));
  expect_same_run(stopped, straight);
}

TEST(TrainerResume, ARunWithSlotsContinuesOnAnotherNumberOfThreads) {
  TrainerOptions options = steps_only(0);
  options.accumulate = 2;
  options.slots = 3;
  TestRun straight;
  TestRun resumed;
  for (const uint64_t steps : {3U, 7U, 9U}) {
    options.max_steps = steps;
    resumed.threads = static_cast<int>(steps / 3);
    resumed.train(options);
  }
  straight.train(options);
  expect_same_run(resumed, straight);
  TestRun one_slot;
  options.slots = 1;
  one_slot.train(options);
  EXPECT_NE(one_slot.parameters(), straight.parameters());
}

TEST(TrainerResume, AStopBetweenAccumulatedBatchesLosesNone) {
  TrainerOptions options = steps_only(6);
  options.accumulate = 3;
  TestRun straight;
  straight.train(options);
  for (const uint64_t last : {6U, 7U, 8U}) {  // each batch of the third step
    SCOPED_TRACE(last);
    TestRun stopped;
    stopped.source.before_batch = [&](uint64_t batch) {
      if (batch == last) stopped.stop.request_stop();
    };
    EXPECT_EQ(stopped.train(options).reason, EndReason::kStopped);
    stopped.stop = std::stop_source();
    stopped.source.before_batch = {};
    stopped.train(options);
    expect_same_run(stopped, straight);
  }
}

TEST(TrainerResume, ARunThatLostItsLastCheckpointsTrainsThoseStepsAgain) {
  TrainerOptions options = steps_only(12);
  options.checkpoint_every = 4;
  TestRun straight;
  straight.train(options);
  TestRun killed;
  // Nothing reaches the disk after step 6, as if the process had been killed there.
  killed.observer.after_step = [&](uint64_t step) {
    if (step != 6) return;
    while (killed.checkpoint_steps().front() != 4)
      std::this_thread::yield();  // it is saved in the background
    killed.files.set_fault({.code = 5, .first_call = killed.files.call_count() + 1, .lasting = true});
  };
  EXPECT_TRUE(test::error_of([&] { killed.train(options); }).has_value());
  EXPECT_EQ(killed.checkpoint_steps().front(), 4U);
  killed.files.clear_fault();
  killed.observer.after_step = {};
  EXPECT_EQ(killed.train(options).first_step, 4U);
  expect_same_run(killed, straight);
}

TEST(TrainerResume, AStopBeforeTheFirstStepLeavesAResumableRun) {
  TestRun run;
  run.stop.request_stop();
  EXPECT_EQ(run.train(steps_only(4)).reason, EndReason::kStopped);
  EXPECT_EQ(run.checkpoint_steps(), (std::vector<uint64_t>{0}));
  run.stop = std::stop_source();
  run.train(steps_only(4));
  TestRun straight;
  straight.train(steps_only(4));
  expect_same_run(run, straight);
}

/// Otherwise records get lost, or the user is told that somebody has edited it.
TEST(TrainerResume, FindsTheLogAsTheCheckpointSays) {
  for (const uint64_t every : {1U, 2U, 100U}) {
    TestRun run;
    TrainerOptions options = steps_only(5);
    options.checkpoint_every = every;
    run.train(options);
    options.max_steps = 9;
    testing::internal::CaptureStdout();  // where messages go
    run.train(options);
    const std::string messages = testing::internal::GetCapturedStdout();
    EXPECT_EQ(messages.find("changed since"), std::string::npos) << messages;
    std::vector<uint64_t> steps;
    for (const auto& record : run.log()) {
      if (record.at("kind") == "step") steps.push_back(record.at("step"));
    }
    EXPECT_EQ(steps, (std::vector<uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9})) << every;
  }
}

TEST(TrainerResume, AFinishedRunStaysAsItIs) {
  TestRun run;
  run.train(steps_only(4));
  const auto parameters = run.parameters();
  const auto log = audit(run.log());
  EXPECT_EQ(run.train(steps_only(4)).last_step, 4U);
  EXPECT_EQ(run.parameters(), parameters);
  EXPECT_EQ(audit(run.log()), log);
}

}  // namespace
}  // namespace pretrain
