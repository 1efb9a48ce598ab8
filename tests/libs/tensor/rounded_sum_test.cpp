// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/rounded_sum.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "tests/libs/tensor/kernel_testing.h"
#include "tests/support/matchers.h"

namespace pretrain {
namespace {

using test::Guarded;
using test::GuardedBf16;
using test::normal_values;

constexpr size_t kPiece = 65536;  // elements of one task
constexpr size_t kCounts[] = {0, 1, 7, 16, 33, kPiece - 1, kPiece + 5, 2 * kPiece + 77};

/// In double precision, by a spacing of 2^-7 within a power of two; ties to even.
float rounded(float value) {
  int exponent = 0;
  const double mantissa = std::frexp(static_cast<double>(value), &exponent);
  return static_cast<float>(std::ldexp(std::nearbyint(std::ldexp(mantissa, 8)), exponent - 8));
}

TEST(RoundToBf16, AgreesWithTheReference) {
  Compute compute(2);
  test::for_each_target([&] {
    for (const size_t count : kCounts) {
      Guarded values(normal_values(count, 1), 3);
      std::vector<float> expected = values.copy();
      for (float& value : expected) value = rounded(value);
      round_to_bf16(compute, count, values.data());
      EXPECT_EQ(values.copy(), expected) << count;
      EXPECT_TRUE(values.intact()) << count;
    }
  });
}

TEST(RoundToBf16, GoesToTheEvenOneOfTwoNearest) {
  Compute compute(1);
  test::for_each_target([&] {
    // Half a spacing above 1, one and a half, and a little more than half.
    std::vector<float> values{1 + 0x1p-8F, 1 + 0x3p-8F, 1 + 0x1p-8F + 0x1p-20F, -1 - 0x1p-8F, 0.0F, 1e38F};
    round_to_bf16(compute, 5, values.data());
    EXPECT_EQ(values, (std::vector<float>{1, 1 + 0x1p-6F, 1 + 0x1p-7F, -1, 0, 1e38F}));
  });
}

TEST(RoundToBf16, KeepsWhatIsNotFinite) {
  Compute compute(1);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  test::for_each_target([&] {
    for (size_t at = 0; at < 19; ++at) {
      std::vector<float> values(19, 1.0F);
      values[at] = std::bit_cast<float>(0x7F800001U);  // a NaN whose upper half is infinity
      values[(at + 1) % 19] = -kInfinity;
      round_to_bf16(compute, values.size(), values.data());
      EXPECT_TRUE(std::isnan(values[at]));
      EXPECT_EQ(values[(at + 1) % 19], -kInfinity);
      add_rounded_to_bf16(compute, values.data(), values.size(), values.data());
      EXPECT_TRUE(std::isnan(values[at]));
      EXPECT_EQ(values[(at + 1) % 19], -kInfinity);
    }
  });
}

TEST(AddRoundedToBf16, RoundsTheSumOfEachElement) {
  Compute compute(2);
  test::for_each_target([&] {
    for (const size_t count : kCounts) {
      const Guarded x(normal_values(count, 1), 1);
      Guarded sums(normal_values(count, 2), 3);
      std::vector<float> expected = sums.copy();
      for (size_t i = 0; i < count; ++i) expected[i] = rounded(expected[i] + x.data()[i]);
      add_rounded_to_bf16(compute, x.data(), count, sums.data());
      EXPECT_EQ(sums.copy(), expected) << count;
      EXPECT_TRUE(sums.intact()) << count;
    }
  });
}

TEST(Bf16Halves, GiveBackWhatWasRounded) {
  Compute compute(2);
  test::for_each_target([&] {
    for (const size_t count : kCounts) {
      std::vector<float> values = normal_values(count, 1);
      round_to_bf16(compute, count, values.data());
      GuardedBf16 halves(count, 1);
      to_bf16(compute, values.data(), count, halves.data());
      EXPECT_TRUE(halves.intact()) << count;
      Guarded back(count, 5);
      from_bf16(compute, halves.data(), count, back.data());
      EXPECT_EQ(back.copy(), values) << count;
      EXPECT_TRUE(back.intact()) << count;
    }
  });
}

TEST(AddRoundedToBf16, DoesNotDependOnTheNumberOfThreads) {
  const test::MoreThreads more_threads;
  const std::vector<float> x = normal_values(3 * kPiece + 3, 1);
  const auto run = [&](int threads) {
    Compute compute(threads);
    std::vector<float> sums = normal_values(x.size(), 2);
    add_rounded_to_bf16(compute, x.data(), x.size(), sums.data());
    return sums;
  };
  EXPECT_EQ(run(1), run(2));
  EXPECT_EQ(run(1), run(3));
}

}  // namespace
}  // namespace pretrain
