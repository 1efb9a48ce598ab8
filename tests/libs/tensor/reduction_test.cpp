// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/reduction.h"

#include <limits>

#include <gtest/gtest.h>

#include "tests/libs/tensor/kernel_testing.h"
#include "tests/support/matchers.h"

namespace pretrain {
namespace {

using test::area;
using test::Guarded;
using test::normal_values;

constexpr size_t kPiece = 65536;  // elements of one task
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(SumOfSquares, AgreesWithTheReference) {
  Compute compute(2);
  test::for_each_target([&] {
    for (const size_t count : {size_t{1}, size_t{7}, size_t{15}, size_t{31}, size_t{33}, size_t{100},
                               kPiece - 1, kPiece, kPiece + 1, 2 * kPiece + 77, 12 * kPiece + 5}) {
      const Guarded x(normal_values(count, 1), 1);
      const reference::Matrix values = test::as_double(x.copy());
      const double expected = test::dot(values, values);
      EXPECT_NEAR(SumOfSquares(count)(compute, x.data()), expected,
                  expected * test::sum_bound(static_cast<int64_t>(std::min(count, kPiece))))
          << count;
    }
  });
}

TEST(SumOfSquares, OfNothingIsZero) {
  Compute compute(1);
  EXPECT_EQ(SumOfSquares(0)(compute, nullptr), 0.0);
}

TEST(SumOfSquares, DoesNotDependOnTheNumberOfThreads) {
  const test::MoreThreads more_threads;
  const std::vector<float> x = normal_values(5 * kPiece + 3, 1);
  const auto run = [&](int threads) {
    Compute compute(threads);
    return SumOfSquares(x.size())(compute, x.data());
  };
  EXPECT_EQ(run(1), run(2));
  EXPECT_EQ(run(1), run(3));
}

TEST(SumOfSquares, IsNotFiniteWhenAnElementIsNot) {
  Compute compute(2);
  test::for_each_target([&] {
    for (const float bad : {kNan, kInfinity, -kInfinity, 1e30F}) {  // the square of 1e30 overflows
      for (size_t i = 0; i < 67; ++i) {
        std::vector<float> x = normal_values(67, 1);
        x[i] = bad;
        ASSERT_FALSE(std::isfinite(SumOfSquares(67)(compute, x.data()))) << bad << " at " << i;
      }
    }
  });
}

TEST(Add, AddsEachElementOnceAndNothingElse) {
  Compute compute(2);
  test::for_each_target([&] {
    for (const size_t count :
         {size_t{0}, size_t{1}, size_t{7}, size_t{16}, size_t{33}, kPiece - 1, kPiece + 5, 2 * kPiece + 77}) {
      const Guarded x(normal_values(count, 1), 1);
      Guarded sums(normal_values(count, 2), 3);
      std::vector<float> expected = sums.copy();
      for (size_t i = 0; i < count; ++i) expected[i] += x.data()[i];
      add(compute, x.data(), count, sums.data());
      EXPECT_EQ(sums.copy(), expected) << count;
      EXPECT_TRUE(sums.intact()) << count;
    }
  });
}

TEST(AllFinite, FindsNanAndInfinityAtEveryPosition) {
  Compute compute(2);
  test::for_each_target([&] {
    for (const size_t count : {1U, 3U, 7U, 8U, 9U, 15U, 16U, 17U, 31U, 33U, 67U}) {
      Guarded x(normal_values(count, 1), count % 4);
      EXPECT_TRUE(all_finite(compute, x.data(), count));
      for (const float bad : {kNan, kInfinity, -kInfinity}) {
        for (size_t i = 0; i < count; ++i) {
          const float kept = std::exchange(x.data()[i], bad);
          ASSERT_FALSE(all_finite(compute, x.data(), count)) << bad << " at " << i << " of " << count;
          x.data()[i] = kept;
        }
      }
    }
  });
}

TEST(AllFinite, LooksAtEveryPiece) {
  Compute compute(2);
  std::vector<float> x(3 * kPiece + 5, 1.0F);
  EXPECT_TRUE(all_finite(compute, x.data(), x.size()));
  for (const size_t i : {size_t{0}, kPiece - 1, kPiece, 2 * kPiece + 9, x.size() - 1}) {
    x[i] = kNan;
    EXPECT_FALSE(all_finite(compute, x.data(), x.size())) << i;
    x[i] = 1;
  }
}

TEST(AllFinite, AcceptsTheLargestAndTheSmallest) {
  Compute compute(1);
  test::for_each_target([&] {
    std::vector<float> x(35, std::numeric_limits<float>::max());
    for (size_t i = 0; i < x.size(); i += 3) x[i] = -std::numeric_limits<float>::denorm_min();
    for (size_t i = 1; i < x.size(); i += 3) x[i] = std::numeric_limits<float>::lowest();
    EXPECT_TRUE(all_finite(compute, x.data(), x.size()));
  });
  EXPECT_TRUE(all_finite(compute, nullptr, 0));
}

}  // namespace
}  // namespace pretrain
