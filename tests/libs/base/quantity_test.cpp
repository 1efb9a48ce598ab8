// SPDX-License-Identifier: Apache-2.0
#include "libs/base/quantity.h"

#include <limits>

#include <gtest/gtest.h>

#include "libs/base/units.h"

namespace pretrain {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(ParseCount, ReadsWhatPeopleWrite) {
  EXPECT_EQ(parse_count("0"), 0U);
  EXPECT_EQ(parse_count("1k"), 1000U);
  EXPECT_EQ(parse_count("10K"), 10'000U);
  EXPECT_EQ(parse_count("10M"), 10'000'000U);
  EXPECT_EQ(parse_count("1.5M"), 1'500'000U);
  EXPECT_EQ(parse_count("2G"), 2'000'000'000U);
  EXPECT_EQ(parse_count("1e6"), 1'000'000U);
  EXPECT_EQ(parse_count("1e3"), 1000U);
  EXPECT_EQ(parse_count("0.1k"), 100U);
  EXPECT_EQ(parse_count("64Ki"), 65'536U);
  EXPECT_EQ(parse_count("1Mi"), 1'048'576U);
}

TEST(ParseCount, KeepsAll64Bits) {
  EXPECT_EQ(parse_count("18446744073709551615"), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(parse_count("9007199254740993"), 9007199254740993U);
}

TEST(ParseCount, RejectsWhatIsNoCount) {
  for (const char* text : {"", "k", "-1", "-0", "1.5", "1.0001k", "1x", "1kk", "1kB", "1 k", " 1", "nan",
                           "inf", "0x10", "1e30", "18446744073709551616", "99999999T", "1,000"}) {
    EXPECT_EQ(parse_count(text), std::nullopt) << text;
  }
}

TEST(ExactCount, IsReadBackAsTheSame) {
  EXPECT_EQ(exact_count(0), "0");
  EXPECT_EQ(exact_count(20'000), "20000");
  EXPECT_EQ(exact_count(10'000'000), "10M");
  EXPECT_EQ(exact_count(1'500'000), "1500k");
  EXPECT_EQ(exact_count(3'000'000'000), "3G");
  EXPECT_EQ(exact_count(1'000'001), "1000001");
  for (const uint64_t count : {uint64_t{0}, uint64_t{999}, uint64_t{4'096'000}, UINT64_MAX})
    EXPECT_EQ(parse_count(exact_count(count)), count);
}

TEST(ExactDuration, IsReadBackAsTheSame) {
  EXPECT_EQ(exact_duration(minutes(10)), "10min");
  EXPECT_EQ(exact_duration(seconds(0)), "0s");
  for (const milliseconds duration :
       {milliseconds(0), milliseconds(1500), milliseconds(60'000), milliseconds(90'000),
        milliseconds(5'400'000), milliseconds(86'400'000), milliseconds(86'400'001)}) {
    EXPECT_EQ(parse_duration(exact_duration(duration)), duration) << exact_duration(duration);
  }
}

TEST(FormatCounted, PicksThePlural) {
  EXPECT_EQ(format_counted(0, "step"), "0 steps");
  EXPECT_EQ(format_counted(1, "layer"), "1 layer");
  EXPECT_EQ(format_counted(1897, "step"), "1,897 steps");
  EXPECT_EQ(format_counted(2, "batch", "batches"), "2 batches");
}

TEST(FormatRate, IsWrittenOneWay) {
  EXPECT_EQ(format_rate(4660.4), "4,660 tokens/s");
  EXPECT_EQ(format_rate(3.42), "3.4 tokens/s");
  EXPECT_EQ(format_rate(9.97), "10 tokens/s");
  EXPECT_EQ(format_rate(-1), "0.0 tokens/s");
  EXPECT_EQ(format_rate(std::numeric_limits<double>::quiet_NaN()), "0.0 tokens/s");
}

TEST(FormatShortCount, NeverTakesMoreThanSixCharacters) {
  EXPECT_EQ(format_short_count(99'999), "99,999");
  EXPECT_EQ(format_short_count(100'000), "100k");
  EXPECT_EQ(format_short_count(1'234'567), "1.23M");
  EXPECT_EQ(format_short_count(999'600), "1.00M");
  for (uint64_t count = 1; count < std::numeric_limits<uint64_t>::max() / 7; count *= 7)
    EXPECT_LE(format_short_count(count).size(), 6U) << count;
  EXPECT_EQ(format_short_count(std::numeric_limits<uint64_t>::max()), "18.4E");
}

TEST(FormatShortDuration, NeverTakesMoreThanEightCharacters) {
  EXPECT_EQ(format_short_duration(milliseconds(400)), "0s");
  EXPECT_EQ(format_short_duration(seconds(59)), "59s");
  EXPECT_EQ(format_short_duration(seconds(190)), "3m10s");
  EXPECT_EQ(format_short_duration(minutes(125)), "2h05m");
  EXPECT_EQ(format_short_duration(hours(220)), "9d04h");
  EXPECT_LE(format_short_duration(std::chrono::nanoseconds::max()).size(), 8U);
}

}  // namespace
}  // namespace pretrain
