#include "libs/train/guard.h"

#include <gtest/gtest.h>

namespace pretrain {
namespace {

TEST(NonFiniteGuard, StopsAtTheFifthInARow) {
  NonFiniteGuard guard;
  for (uint64_t step = 1; step <= 4; ++step) EXPECT_FALSE(guard.record(false, step, 10 + step));
  EXPECT_TRUE(guard.record(false, 5, 15));
  EXPECT_EQ(guard.total, 5U);
  EXPECT_EQ(guard.in_a_row.size(), 5U);
  EXPECT_EQ(guard.in_a_row.front().step, 1U);
  EXPECT_EQ(guard.in_a_row.back().batch, 15U);
}

TEST(NonFiniteGuard, ACleanStepEndsTheRowButNotTheCount) {
  NonFiniteGuard guard;
  for (uint64_t step = 1; step <= 40; ++step) EXPECT_FALSE(guard.record(step % 5 == 0, step, step));
  EXPECT_EQ(guard.total, 32U);
  EXPECT_TRUE(guard.in_a_row.empty());
}

}  // namespace
}  // namespace pretrain
