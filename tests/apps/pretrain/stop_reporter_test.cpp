// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/stop_reporter.h"

#include <gtest/gtest.h>

namespace pretrain {
namespace {

StepRecord step(uint64_t number) {
  return {.step = number};
}

TEST(StopReporter, SaysAtTheStartThatNothingIsLost) {
  StopSignal stop;
  StopReporter reporter(stop);
  EXPECT_EQ(reporter.words().now, "nothing was trained yet");
  EXPECT_EQ(reporter.words().again, "exits immediately");
  EXPECT_EQ(reporter.words().left, "exited immediately; there is no checkpoint yet");
  reporter.set_checkpoint(1200);
  EXPECT_EQ(reporter.words().now, "the run stays at step 1,200");
  EXPECT_EQ(reporter.words().left, "exited immediately; the last checkpoint is step 1,200");
}

TEST(StopReporter, SaysWhichStepIsFinishedAndWhatASecondRequestCosts) {
  StopSignal stop;
  StopReporter reporter(stop);
  reporter.on_ready();
  reporter.on_step(step(81), {});
  EXPECT_EQ(reporter.words().now, "finishing step 82, then saving");
  EXPECT_EQ(reporter.words().again, "exits without saving");
  EXPECT_EQ(reporter.words().left, "exited without saving; there is no checkpoint yet");
  reporter.on_save_started(0);
  EXPECT_EQ(reporter.words().left,
            "exited without saving; the first checkpoint, of step 0, may not be complete");
  reporter.on_saved({.step = 80, .ok = true});
  reporter.on_saved({.step = 81, .ok = false});
  EXPECT_EQ(reporter.words().left, "exited without saving; the last checkpoint is step 80");
}

/// A branch has its parent's steps, but no checkpoint of its own yet.
TEST(StopReporter, CountsTheStepsOfABranchFromItsParents) {
  StopSignal stop;
  StopReporter reporter(stop);
  reporter.set_step(300);
  EXPECT_EQ(reporter.words().now, "nothing was trained yet");
  reporter.on_ready();
  EXPECT_EQ(reporter.words().now, "finishing step 301, then saving");
}

TEST(StopReporter, KnowsWhatIsDoneBetweenSteps) {
  StopSignal stop;
  StopReporter reporter(stop);
  reporter.on_ready();
  reporter.on_step(step(500), {});
  reporter.on_phase(RunPhase::kEvaluating);
  EXPECT_EQ(reporter.words().now, "aborting the evaluation, then saving step 500");
  reporter.on_phase(RunPhase::kSampling);
  EXPECT_EQ(reporter.words().now, "aborting the sample, then saving step 500");
  reporter.on_phase(RunPhase::kTraining);
  EXPECT_EQ(reporter.words().now, "finishing step 501, then saving");
}

TEST(StopReporter, KnowsTheLastSaveAndThatItIsOver) {
  StopSignal stop;
  StopReporter reporter(stop);
  reporter.on_ready();
  reporter.on_phase(RunPhase::kFinishing);
  reporter.on_finishing(7);
  EXPECT_EQ(reporter.words().now, "saving step 7");
  EXPECT_EQ(reporter.words().again, "exits without saving");
  reporter.on_saved({.step = 7, .ok = true});
  reporter.set_saved();
  EXPECT_EQ(reporter.words().now, "everything is saved");
  EXPECT_EQ(reporter.words().left, "exited immediately; the last checkpoint is step 7");
}

}  // namespace
}  // namespace pretrain
