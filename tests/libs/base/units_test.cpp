// SPDX-License-Identifier: Apache-2.0
#include "libs/base/units.h"

#include <string>

#include <gtest/gtest.h>

#include "libs/base/error.h"

namespace pretrain {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

template <typename Parse>
void expect_usage_error(Parse parse, const std::string& text) {
  try {
    parse(text);
    ADD_FAILURE() << "'" << text << "' was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_NE(std::string(error.what()).find("(got " + text), std::string::npos) << error.what();
  }
}

TEST(ParseDuration, ReadsWhatPeopleWrite) {
  EXPECT_EQ(parse_duration("90s"), seconds(90));
  EXPECT_EQ(parse_duration("10min"), minutes(10));
  EXPECT_EQ(parse_duration("10 min"), minutes(10));
  EXPECT_EQ(parse_duration("2h"), hours(2));
  EXPECT_EQ(parse_duration("1d12h"), hours(36));
  EXPECT_EQ(parse_duration("1.5h"), minutes(90));
  EXPECT_EQ(parse_duration("500ms"), milliseconds(500));
  EXPECT_EQ(parse_duration("0"), seconds(0));
  EXPECT_EQ(parse_duration("0s"), seconds(0));
  EXPECT_EQ(parse_duration("2hours"), hours(2));
  EXPECT_EQ(parse_duration("1 day 2 hours 3 minutes 4 seconds"), hours(26) + minutes(3) + seconds(4));
  EXPECT_EQ(parse_duration("1h30m"), minutes(90));
}

TEST(ParseDuration, RejectsWhatIsNoDuration) {
  for (const char* text :
       {"",   " ",    "min",    "10x",  "-5s",     "nan",  "inf", "1h30q", "10min!",   "1e30h", "2",
        "90", "1h30", "1.5.5s", "1h 2", "30min2h", "1h1h", "5 0", "0 0",   "1000000d", "2hrz"}) {
    expect_usage_error([](const std::string& t) { parse_duration(t); }, text);
  }
}

TEST(ParseBytes, ReadsPowersOf1024) {
  EXPECT_EQ(parse_bytes("1536"), 1536U);
  EXPECT_EQ(parse_bytes("64k"), 64_KiB);
  EXPECT_EQ(parse_bytes("512MiB"), 512_MiB);
  EXPECT_EQ(parse_bytes("512 MB"), 512_MiB);
  EXPECT_EQ(parse_bytes("1.5G"), 1536_MiB);
  EXPECT_EQ(parse_bytes("2T"), 2048_GiB);
  EXPECT_EQ(parse_bytes("10B"), 10U);
}

TEST(ParseBytes, RejectsWhatIsNoSize) {
  for (const char* text : {"", "M", "-1", "12x", "1Mx", "99999999T", "nan", "1 2"}) {
    expect_usage_error([](const std::string& t) { parse_bytes(t); }, text);
  }
}

TEST(FormatBytes, RoundsToThreeDigits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.00 kB");
  EXPECT_EQ(format_bytes(3'140'000'000), "3.14 GB");
  EXPECT_EQ(format_bytes(31'400'000), "31.4 MB");
  EXPECT_EQ(format_bytes(999'900), "1.00 MB");
}

TEST(FormatDuration, PicksTheUnit) {
  EXPECT_EQ(format_duration(milliseconds(850)), "850 ms");
  EXPECT_EQ(format_duration(milliseconds(1500)), "1.5 s");
  EXPECT_EQ(format_duration(seconds(12)), "12 s");
  EXPECT_EQ(format_duration(seconds(190)), "3 min 10 s");
  EXPECT_EQ(format_duration(minutes(125)), "2 h 05 min");
  EXPECT_EQ(format_duration(hours(50)), "2 d 02 h");
}

TEST(FormatCount, GroupsThousands) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(1234567), "1,234,567");
}

TEST(RoundEstimate, KeepsThreeDigits) {
  EXPECT_EQ(round_estimate(0), 0U);
  EXPECT_EQ(round_estimate(17.4), 17U);
  EXPECT_EQ(round_estimate(999.6), 1000U);
  EXPECT_EQ(round_estimate(1234567), 1230000U);
  EXPECT_EQ(round_estimate(12355.0), 12400U);
}

}  // namespace
}  // namespace pretrain
