// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/manners.h"

#include <cstdlib>
#include <ctime>

#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::TempFolder;

std::tm at_time(int hour, int minute) {
  std::tm time{};
  time.tm_hour = hour;
  time.tm_min = minute;
  return time;
}

/// Another time zone for as long as it lives.
class TimeZone {
 public:
  explicit TimeZone(const char* zone) {
    setenv("TZ", zone, 1);
    tzset();
  }
  ~TimeZone() {
    unsetenv("TZ");
    tzset();
  }
  TimeZone(const TimeZone&) = delete;
  TimeZone& operator=(const TimeZone&) = delete;
};

/// A day of the machine's time zone, at this hour.
std::chrono::system_clock::time_point today_at(int hour) {
  std::tm time{};
  time.tm_year = 126;
  time.tm_mon = 5;
  time.tm_mday = 15;
  time.tm_hour = hour;
  time.tm_isdst = -1;
  return std::chrono::system_clock::from_time_t(std::mktime(&time));
}

TEST(ActiveHours, IncludeMidnightWhenTheyEndTheNextDay) {
  const ActiveHours night = read_active_hours("20:00-08:00");
  EXPECT_TRUE(night.contain(at_time(20, 0)));
  EXPECT_TRUE(night.contain(at_time(23, 59)));
  EXPECT_TRUE(night.contain(at_time(0, 0)));
  EXPECT_TRUE(night.contain(at_time(7, 59)));
  EXPECT_FALSE(night.contain(at_time(8, 0)));
  EXPECT_FALSE(night.contain(at_time(19, 59)));
  const ActiveHours day = read_active_hours("9:30-17:00");
  EXPECT_FALSE(day.contain(at_time(9, 29)));
  EXPECT_TRUE(day.contain(at_time(9, 30)));
  EXPECT_FALSE(day.contain(at_time(17, 0)));
  EXPECT_TRUE(read_active_hours("20:00-24:00").contain(at_time(23, 59)));
  EXPECT_TRUE(ActiveHours().contain(at_time(12, 0)));
}

TEST(ActiveHours, AreReadAndWrittenTheSame) {
  EXPECT_EQ(write_active_hours(read_active_hours("8:05-20:00")), "08:05-20:00");
  EXPECT_EQ(write_active_hours({}), "");
  for (const std::string wrong : {"", "20-8", "25:00-08:00", "20:60-08:00", "20:00", "a:00-b:00",
                                  "20:0-08:00", "24:01-08:00", "-1:00-08:00"})
    EXPECT_THROW(read_active_hours(wrong), Error) << wrong;
}

TEST(Manners, PauseAtTheEndOfTheHoursAndContinueAtTheirBeginning) {
  RunControl control;
  Manners manners(control, {.hours = read_active_hours("20:00-08:00")});
  EXPECT_TRUE(manners.any());
  manners.look(today_at(12));
  ASSERT_TRUE(control.pause_due());
  EXPECT_EQ(control.pause_due()->reason, PauseReason::kHours);
  manners.look(today_at(21));
  EXPECT_FALSE(control.pause_due());
}

TEST(Manners, APauseThatTheUserEndedComesBackAtTheNextChangeOnly) {
  RunControl control;
  Manners manners(control, {.hours = read_active_hours("20:00-08:00")});
  manners.look(today_at(12));
  control.proceed();
  manners.look(today_at(13));
  EXPECT_FALSE(control.pause_due());
  manners.look(today_at(21));
  manners.look(today_at(9));
  EXPECT_TRUE(control.pause_due());
}

/// Noon there is seven in the morning of UTC.
TEST(Manners, HoursAreThoseOfTheTimeZoneOfTheMachine) {
  const TimeZone zone("EAST-5");
  RunControl control;
  Manners manners(control, {.hours = read_active_hours("20:00-08:00")});
  manners.look(today_at(12));
  EXPECT_TRUE(control.pause_due());
  manners.look(today_at(7));
  EXPECT_FALSE(control.pause_due());
}

TEST(Manners, PauseOnBatteryOnlyIfAsked) {
  const TempFolder root;
  root.write("sys/class/power_supply/AC/type", "Mains\n");
  root.write("sys/class/power_supply/AC/online", "0\n");
  RunControl control;
  Manners without(control, {}, root.path());
  EXPECT_FALSE(without.any());
  without.look(today_at(12));
  EXPECT_FALSE(control.pause_due());
  Manners manners(control, {.on_battery = OnBattery::kPause}, root.path());
  manners.look(today_at(12));
  ASSERT_TRUE(control.pause_due());
  EXPECT_EQ(control.pause_due()->reason, PauseReason::kBattery);
  root.write("sys/class/power_supply/AC/online", "1\n");
  manners.look(today_at(12));
  EXPECT_FALSE(control.pause_due());
}

}  // namespace
}  // namespace pretrain
