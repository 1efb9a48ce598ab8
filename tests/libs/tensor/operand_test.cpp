// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/operand.h"

#include <bit>
#include <limits>

#include <gtest/gtest.h>

#include "tests/libs/tensor/kernel_testing.h"

namespace pretrain {
namespace {

using test::normal_values;

/// To the nearest of the two neighbours, in exact arithmetic; of two as near, the even one.
Bf16 nearest_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto below = static_cast<Bf16>(bits >> 16);
  const uint32_t rest = bits & 0xFFFF;
  const bool up = rest > 0x8000 || (rest == 0x8000 && below % 2 == 1);
  return static_cast<Bf16>(below + (up ? 1 : 0));
}

TEST(Operand, StoresTheNearestBf16) {
  std::vector<float> values = normal_values(1000, 1);
  for (const uint32_t bits : {0x3F808000U, 0x3F818000U, 0x3F818001U, 0x3F807FFFU, 0xBF808000U, 0U,
                              0x80000000U, 0x7F7FFFFFU, 0x00808000U, 0x7F800000U, 0xFF800000U}) {
    values.push_back(std::bit_cast<float>(bits));
  }
  std::vector<Bf16> expected;
  for (const float value : values) expected.push_back(nearest_bf16(value));
  test::for_each_target([&] { EXPECT_EQ(test::rounded(values), expected); });
}

TEST(Operand, MakesDenormalNumbersBf16OrZero) {
  test::for_each_target([] {
    for (const uint32_t bits : {1U, 0x8000U, 0x18000U, 0x007FFFFFU, 0x807FFFFFU}) {
      const auto value = std::bit_cast<float>(bits);
      const Bf16 stored = test::rounded(std::vector{value}).front();
      const auto zero = static_cast<Bf16>(bits >> 31 << 15);
      const bool may_be_zero = multiplies_bf16();  // the instruction takes denormal numbers for zeros
      EXPECT_TRUE(stored == nearest_bf16(value) || (may_be_zero && stored == zero))
          << bits << " is " << stored;
    }
  });
}

TEST(Operand, KeepsNanNan) {
  test::for_each_target([] {
    for (const uint32_t bits : {0x7F800001U, 0x7FFFFFFFU, 0xFFFFFFFFU, 0x7FC00000U}) {
      EXPECT_TRUE(std::isnan(test::widened(test::rounded(std::vector{std::bit_cast<float>(bits)})).front()));
    }
  });
}

TEST(Operand, LoadsWhatWasStored) {
  std::vector<Bf16> every(65536);
  for (size_t i = 0; i < every.size(); ++i) every[i] = static_cast<Bf16>(i);
  test::for_each_target([&] {
    const std::vector<float> values = test::widened(every);
    for (size_t i = 0; i < every.size(); ++i)
      ASSERT_EQ(std::bit_cast<uint32_t>(values[i]), static_cast<uint32_t>(i) << 16);
  });
}

TEST(Operand, StoresABlockAndNothingBesideIt) {
  const int64_t rows = 3, ld = 40, ld_to = 50;
  const std::vector<float> values = normal_values(test::area(rows, ld), 1);
  test::for_each_target([&] {
    for (const int64_t columns : {0, 1, 7, 8, 9, 16, 31, 33}) {
      constexpr Bf16 kUntouched = 0x7FC5;
      test::GuardedBf16 to(test::area(rows, ld_to), 1);
      std::vector<float> copy(test::area(rows, ld_to), 7.0F);
      store_values(rows, columns, values.data(), ld, to.data(), ld_to);
      store_values(rows, columns, values.data(), ld, copy.data(), ld_to);
      for (int64_t i = 0; i < rows * ld_to; ++i) {
        const bool inside = i % ld_to < columns;
        const float value = values[test::area(1, i / ld_to * ld + (inside ? i % ld_to : 0))];
        ASSERT_EQ(to.data()[i], inside ? nearest_bf16(value) : kUntouched) << columns << ", " << i;
        ASSERT_EQ(copy[test::area(1, i)], inside ? value : 7.0F) << columns << ", " << i;
      }
      EXPECT_TRUE(to.intact());
    }
  });
}

TEST(Operand, IsUsedInItsPrecisionOnly) {
  float value = 0;
  EXPECT_EQ(Operand(&value).at(1).floats(), &value + 1);
  EXPECT_FALSE(Operand().at(5));
  EXPECT_FALSE(ConstOperand(Operand()));
  EXPECT_EQ(ConstOperand(Operand(&value)).floats(), &value);
  EXPECT_DEATH(Operand(&value).bf16(), "a tensor in f32");
}

}  // namespace
}  // namespace pretrain
