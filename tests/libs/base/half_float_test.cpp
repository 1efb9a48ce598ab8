// SPDX-License-Identifier: Apache-2.0
#include "libs/base/half_float.h"

#include <bit>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr uint16_t kF16Infinity = 0x7c00;
constexpr uint16_t kBf16Infinity = 0x7f80;

TEST(F16, KeepsEveryNumberThatItHolds) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    if ((half & 0x7fff) > kF16Infinity) {
      EXPECT_TRUE(std::isnan(from_f16(half))) << half;
      continue;
    }
    ASSERT_EQ(to_f16(from_f16(half)), half);
  }
}

TEST(F16, HasTheNumbersOfTheStandard) {
  EXPECT_EQ(from_f16(0x3c00), 1.0F);
  EXPECT_EQ(from_f16(0xc000), -2.0F);
  EXPECT_EQ(from_f16(0x7bff), 65504.0F);
  EXPECT_EQ(from_f16(0x0400), 0x1p-14F);  // the least normal number
  EXPECT_EQ(from_f16(0x03ff), 0x3ffp-24F);
  EXPECT_EQ(from_f16(0x0001), 0x1p-24F);  // the least of all
  EXPECT_EQ(from_f16(kF16Infinity), kInfinity);
  EXPECT_TRUE(std::signbit(from_f16(0x8000)));
}

/// Each pair of neighbours, subnormal ones too: exactly between them, and as near to that as float32 goes.
TEST(F16, RoundsToTheNearestAndTiesToEven) {
  for (uint16_t below = 0; below + 1 < kF16Infinity; ++below) {
    const auto above = static_cast<uint16_t>(below + 1);
    const float middle = (from_f16(below) + from_f16(above)) / 2;  // exact in float32
    const uint16_t even = below % 2 == 0 ? below : above;
    ASSERT_EQ(to_f16(middle), even) << below;
    ASSERT_EQ(to_f16(-middle), even | 0x8000) << below;
    ASSERT_EQ(to_f16(std::nextafter(middle, 0.0F)), below) << below;
    ASSERT_EQ(to_f16(std::nextafter(middle, kInfinity)), above) << below;
  }
}

TEST(F16, LosesWhatLiesOutside) {
  EXPECT_EQ(to_f16(65519.996F), 0x7bff);
  EXPECT_EQ(to_f16(65520.0F), kF16Infinity);
  EXPECT_EQ(to_f16(-std::numeric_limits<float>::max()), kF16Infinity | 0x8000);
  EXPECT_EQ(to_f16(kInfinity), kF16Infinity);
  EXPECT_EQ(to_f16(0x1p-26F), 0);
  EXPECT_EQ(to_f16(-std::numeric_limits<float>::denorm_min()), 0x8000);
}

TEST(Bf16, KeepsEveryNumberThatItHolds) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    if ((half & 0x7fff) > kBf16Infinity) continue;
    ASSERT_EQ(to_bf16(from_bf16(half)), half);
  }
}

TEST(Bf16, RoundsToTheNearestAndTiesToEven) {
  for (uint32_t below = 0; below < kBf16Infinity; ++below) {
    const uint32_t middle = below << 16 | 0x8000;
    const uint32_t even = below % 2 == 0 ? below : below + 1;
    ASSERT_EQ(to_bf16(std::bit_cast<float>(middle)), even) << below;
    ASSERT_EQ(to_bf16(std::bit_cast<float>(middle | 0x80000000)), even | 0x8000) << below;
    ASSERT_EQ(to_bf16(std::bit_cast<float>(middle - 1)), below) << below;
    ASSERT_EQ(to_bf16(std::bit_cast<float>(middle + 1)), below + 1) << below;
  }
}

TEST(HalfFloats, KeepNaNWhereverItsBitsAre) {
  for (const uint32_t bits : {0x7f800001U, 0x7fc00000U, 0xff800001U, 0xffffffffU, 0x7f80ffffU}) {
    const float nan = std::bit_cast<float>(bits);
    EXPECT_TRUE(std::isnan(from_f16(to_f16(nan)))) << bits;
    EXPECT_TRUE(std::isnan(from_bf16(to_bf16(nan)))) << bits;
    EXPECT_EQ(to_f16(nan) >> 15, bits >> 31);
    EXPECT_EQ(to_bf16(nan) >> 15, bits >> 31);
  }
}

}  // namespace
}  // namespace pretrain
