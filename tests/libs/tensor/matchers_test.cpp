// SPDX-License-Identifier: Apache-2.0
#include "tests/support/matchers.h"

#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "tests/libs/tensor/kernel_testing.h"

namespace pretrain {
namespace {

using test::all_close;

constexpr double kBound = 1e-4;
constexpr size_t kColumns = 7;

std::vector<float> sample() {
  return test::normal_values(5 * kColumns, 1);
}

TEST(AllClose, AcceptsRoundingErrors) {
  std::vector<float> actual = sample();
  for (float& value : actual) value *= 1.0F + 1e-6F;
  EXPECT_TRUE(all_close(actual, sample(), kBound));
}

TEST(AllClose, RejectsZeros) {
  EXPECT_FALSE(all_close(std::vector<float>(sample().size()), sample(), kBound));
}

TEST(AllClose, RejectsAnythingButZerosForZeros) {
  const std::vector<float> zeros(3);
  EXPECT_TRUE(all_close(zeros, zeros, kBound));
  EXPECT_FALSE(all_close(std::vector<float>{0, 1e-30F, 0}, zeros, kBound));
}

TEST(AllClose, RejectsAPermutedRow) {
  std::vector<float> actual = sample();
  std::swap_ranges(actual.begin(), actual.begin() + kColumns, actual.begin() + kColumns);
  EXPECT_FALSE(all_close(actual, sample(), kBound));
}

TEST(AllClose, RejectsAOnePercentScale) {
  std::vector<float> actual = sample();
  for (float& value : actual) value *= 1.01F;
  EXPECT_FALSE(all_close(actual, sample(), kBound));
}

TEST(AllClose, RejectsNanAndInfinityAtEveryPosition) {
  for (size_t i = 0; i < sample().size(); ++i) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      std::vector<float> actual = sample();
      actual[i] = bad;
      EXPECT_FALSE(all_close(actual, sample(), kBound)) << i;
    }
  }
}

TEST(AllClose, RejectsNanInWhatIsExpected) {
  std::vector<float> expected = sample();
  expected[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(all_close(sample(), expected, kBound));
  EXPECT_FALSE(all_close(expected, expected, kBound));
}

TEST(AllClose, RejectsAMissingElement) {
  std::vector<float> actual = sample();
  actual.pop_back();
  EXPECT_FALSE(all_close(actual, sample(), kBound));
}

TEST(Guarded, NoticesAWriteOnEitherSide) {
  test::Guarded array(5, 3);
  EXPECT_TRUE(array.intact());
  array.data()[4] = 1;
  EXPECT_TRUE(array.intact());
  const float kept = array.data()[5];
  array.data()[5] = 1;
  EXPECT_FALSE(array.intact());
  array.data()[5] = kept;
  array.data()[-1] = 1;
  EXPECT_FALSE(array.intact());
}

}  // namespace
}  // namespace pretrain
