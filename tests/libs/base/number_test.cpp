// SPDX-License-Identifier: Apache-2.0
#include "libs/base/number.h"

#include <cstdint>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

TEST(ParseNumber, ReadsAWholeText) {
  EXPECT_EQ(parse_number<uint64_t>("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(parse_number<int>("-7"), -7);
  EXPECT_EQ(parse_number<int>("007"), 7);
  EXPECT_EQ(parse_number<double>("2.5e3"), 2500.0);
}

TEST(ParseNumber, GivesNothingForWhatIsNotWhollyANumber) {
  for (const char* text : {"", " 1", "1 ", "+1", "1x", "x", "0x10", "1.5", "-"})
    EXPECT_EQ(parse_number<int>(text), std::nullopt) << text;
  EXPECT_EQ(parse_number<double>("1.5GB"), std::nullopt);
}

TEST(ParseNumber, GivesNothingForWhatTheTypeCannotHold) {
  EXPECT_EQ(parse_number<uint8_t>("256"), std::nullopt);
  EXPECT_EQ(parse_number<uint32_t>("-1"), std::nullopt);
  EXPECT_EQ(parse_number<uint64_t>("18446744073709551616"), std::nullopt);
  EXPECT_EQ(parse_number<double>("1e999"), std::nullopt);
}

}  // namespace
}  // namespace pretrain
