// SPDX-License-Identifier: Apache-2.0
#include "libs/train/guard.h"

#include <gtest/gtest.h>

namespace pretrain {
namespace {

/// Fails at the steps from `first` to `last`; batches are numbered ten higher.
GuardVerdict fail_steps(NonFiniteGuard& guard, uint64_t first, uint64_t last) {
  GuardVerdict verdict = GuardVerdict::kGoOn;
  for (uint64_t step = first; step <= last; ++step) {
    EXPECT_EQ(verdict, GuardVerdict::kGoOn) << "before step " << step;
    verdict = guard.record(false, step, 10 + step);
  }
  return verdict;
}

TEST(NonFiniteGuard, AsksForAReturnAtTheFifthInARow) {
  NonFiniteGuard guard;
  EXPECT_EQ(fail_steps(guard, 1, 5), GuardVerdict::kReturn);
  EXPECT_EQ(guard.total, 5U);
  ASSERT_EQ(guard.in_a_row.size(), 5U);
  EXPECT_EQ(guard.in_a_row.front(), (GuardedStep{1, 11}));
  EXPECT_EQ(guard.in_a_row.back(), (GuardedStep{5, 15}));
}

TEST(NonFiniteGuard, ACleanStepEndsTheRowButNotTheCount) {
  NonFiniteGuard guard;
  for (uint64_t step = 1; step <= 40; ++step)
    EXPECT_EQ(guard.record(step % 5 == 0, step, step), GuardVerdict::kGoOn);
  EXPECT_EQ(guard.total, 32U);
  EXPECT_TRUE(guard.in_a_row.empty());
}

/// The guard of a run that failed at steps 3 to 7 and returned to a checkpoint of step 2.
NonFiniteGuard returned() {
  NonFiniteGuard failed;
  EXPECT_EQ(fail_steps(failed, 3, 7), GuardVerdict::kReturn);
  NonFiniteGuard guard;
  guard.remember(failed);
  return guard;
}

TEST(NonFiniteGuard, TheReplayPassesOverTheSameSteps) {
  NonFiniteGuard guard = returned();
  EXPECT_EQ(fail_steps(guard, 3, 7), GuardVerdict::kGoOn);
  EXPECT_EQ(guard.record(true, 8, 18), GuardVerdict::kGoOn);
  EXPECT_EQ(guard.total, 5U);
}

TEST(NonFiniteGuard, ARowThatGoesOnBeyondTheReplayStopsTheRun) {
  NonFiniteGuard guard = returned();
  EXPECT_EQ(fail_steps(guard, 3, 8), GuardVerdict::kStop);
}

TEST(NonFiniteGuard, ANewRowAfterACleanStepIsReturnedFromOnceMore) {
  NonFiniteGuard guard = returned();
  fail_steps(guard, 3, 7);
  EXPECT_EQ(guard.record(true, 8, 18), GuardVerdict::kGoOn);
  EXPECT_EQ(fail_steps(guard, 9, 13), GuardVerdict::kReturn);
  NonFiniteGuard again;
  again.remember(guard);
  EXPECT_EQ(again.recorded.size(), 10U);
  EXPECT_EQ(fail_steps(again, 3, 7), GuardVerdict::kGoOn);
  again.record(true, 8, 18);
  EXPECT_EQ(fail_steps(again, 9, 13), GuardVerdict::kGoOn);
  EXPECT_EQ(again.record(true, 14, 24), GuardVerdict::kGoOn);
}

TEST(NonFiniteGuard, ARowThatBeganBeforeTheCheckpointIsReplayedFromItsMiddle) {
  NonFiniteGuard at_checkpoint;
  fail_steps(at_checkpoint, 3, 5);
  NonFiniteGuard failed = at_checkpoint;
  EXPECT_EQ(fail_steps(failed, 6, 7), GuardVerdict::kReturn);
  at_checkpoint.remember(failed);
  EXPECT_EQ(fail_steps(at_checkpoint, 6, 7), GuardVerdict::kGoOn);
  EXPECT_EQ(at_checkpoint.record(false, 8, 18), GuardVerdict::kStop);
}

TEST(NonFiniteGuard, ForgetsWhatNoReplayCanReach) {
  NonFiniteGuard guard = returned();
  guard.forget_up_to(5);
  EXPECT_EQ(guard.recorded, (std::vector<GuardedStep>{{6, 16}, {7, 17}}));
}

TEST(StepHistory, NoticesAStepThatComesOutDifferently) {
  StepHistory history;
  for (uint64_t step = 5; step <= 20; ++step) EXPECT_TRUE(history.agrees(step, step * 7));
  for (uint64_t step = 8; step <= 20; ++step)
    EXPECT_EQ(history.agrees(step, step * 7 + (step == 11)), step != 11);
  EXPECT_TRUE(history.agrees(21, 1)) << "a step that was not seen before";
  EXPECT_FALSE(history.agrees(21, 2));
}

TEST(StepHistory, BeginsAnewAfterAGap) {
  StepHistory history;
  EXPECT_TRUE(history.agrees(5, 1));
  EXPECT_TRUE(history.agrees(9, 1));
  EXPECT_TRUE(history.agrees(5, 2)) << "the step before the gap is not known any more";
}

TEST(StepHistory, KnowsTheNewestMillionSteps) {
  StepHistory history;
  for (uint64_t step = 1; step <= 1'000'001; ++step) EXPECT_TRUE(history.agrees(step, 1));
  EXPECT_FALSE(history.agrees(1'000'001, 2));
  EXPECT_FALSE(history.agrees(2, 2)) << "the oldest that it has to know";
  EXPECT_TRUE(history.agrees(1, 2)) << "memory is bounded: this one is not known any more";
}

TEST(StepHistory, ForgetsUpToACheckpoint) {
  StepHistory history;
  for (uint64_t step = 1; step <= 10; ++step) EXPECT_TRUE(history.agrees(step, 1));
  history.forget_up_to(6);
  EXPECT_FALSE(history.agrees(7, 2));
  EXPECT_TRUE(history.agrees(11, 1));
}

}  // namespace
}  // namespace pretrain
