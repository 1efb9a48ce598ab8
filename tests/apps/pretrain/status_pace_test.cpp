// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/status_pace.h"

#include <vector>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// The times of the lines of a run that asks this often, since its beginning.
std::vector<milliseconds> lines(StatusPace pace, milliseconds step, milliseconds length) {
  std::vector<milliseconds> shown;
  for (milliseconds time(0); time <= length; time += step) {
    if (pace.is_due(StatusPace::Time(time))) shown.push_back(time);
  }
  return shown;
}

TEST(StatusPace, RedrawsATerminalFiveTimesASecond) {
  EXPECT_EQ(lines({true, LogPlace::kTerminal}, milliseconds(10), seconds(1)).size(), 6U);
}

TEST(StatusPace, GivesALogALineEveryTenSeconds) {
  for (const LogPlace place : {LogPlace::kFile, LogPlace::kTerminal})
    EXPECT_EQ(lines({false, place}, seconds(1), hours(1)).size(), 361U);
}

TEST(StatusPace, GrowsRarerUnderTheServiceManagerUpToOneLineAnHour) {
  const auto shown = lines({false, LogPlace::kJournal}, seconds(1), hours(24 * 7));
  const std::vector<milliseconds> first(shown.begin(), shown.begin() + 5);
  EXPECT_EQ(first,
            (std::vector<milliseconds>{seconds(0), seconds(20), seconds(60), seconds(140), seconds(300)}));
  EXPECT_EQ(shown.back() - shown[shown.size() - 2], hours(1));
  EXPECT_LE(shown.size(), 24U * 7 + 9);
}

TEST(StatusPace, WaitsForTheNextStepAfterALongOne) {
  StatusPace pace(false, LogPlace::kFile);
  EXPECT_TRUE(pace.is_due(StatusPace::Time(seconds(0))));
  EXPECT_FALSE(pace.is_due(StatusPace::Time(seconds(9))));
  EXPECT_TRUE(pace.is_due(StatusPace::Time(seconds(35))));
  EXPECT_FALSE(pace.is_due(StatusPace::Time(seconds(44)))) << "counted from the last line";
}

}  // namespace
}  // namespace pretrain
