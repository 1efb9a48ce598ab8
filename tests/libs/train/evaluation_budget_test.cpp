// SPDX-License-Identifier: Apache-2.0
#include "libs/train/evaluation_budget.h"

#include <cmath>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(EvaluationBudget, IsEndlessWithoutALimitedTime) {
  EXPECT_TRUE(std::isinf(evaluation_seconds_left(milliseconds(0), 1e6)));
}

TEST(EvaluationBudget, IsATenthOfALimitedTimeLessWhatWasSpent) {
  EXPECT_DOUBLE_EQ(evaluation_seconds_left(seconds(120), 0), 12);
  EXPECT_DOUBLE_EQ(evaluation_seconds_left(seconds(120), 5), 7);
  EXPECT_DOUBLE_EQ(evaluation_seconds_left(seconds(120), 13), 0);
}

TEST(EvaluationForecast, LetsThoseGoOnThatFit) {
  EvaluationForecast forecast(10, 4);
  for (const double elapsed : {2.4, 4.8, 7.2, 9.6}) EXPECT_TRUE(forecast.goes_on(elapsed));
  EXPECT_DOUBLE_EQ(forecast.expected_seconds(), 9.6);
}

TEST(EvaluationForecast, BreaksOffAfterTwoPartsThatForetellTooMuch) {
  EvaluationForecast forecast(10, 100);
  EXPECT_TRUE(forecast.goes_on(0.9)) << "the first part is slow";
  EXPECT_FALSE(forecast.goes_on(1.0));
  EXPECT_DOUBLE_EQ(forecast.expected_seconds(), 50);
  EvaluationForecast quicker(10, 100);
  EXPECT_TRUE(quicker.goes_on(0.15));
  EXPECT_TRUE(quicker.goes_on(0.2));
}

TEST(EvaluationForecast, BreaksOffAtOnceWhatHasTakenTooLong) {
  EvaluationForecast forecast(10, 1);
  EXPECT_FALSE(forecast.goes_on(10.5));
}

}  // namespace
}  // namespace pretrain
