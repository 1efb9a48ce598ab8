// SPDX-License-Identifier: Apache-2.0
#include "libs/base/rng.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

TEST(SplitMix64, GivesTheReferenceValues) {
  EXPECT_EQ(split_mix64(0), 0xe220a8397b1dcdafULL);
  EXPECT_EQ(split_mix64(1234567), 6457827717110365317ULL);
}

TEST(Rng, GivesTheReferenceSequence) {
  Rng rng(Rng::State{1, 2, 3, 4});
  EXPECT_EQ(rng.next(), 11520U);
  EXPECT_EQ(rng.next(), 0U);
  EXPECT_EQ(rng.next(), 1509978240U);
  EXPECT_EQ(rng.next(), 1215971899390074240U);
}

TEST(Rng, ContinuesFromItsState) {
  Rng rng(7);
  for (int i = 0; i < 10; ++i) rng.next();
  Rng restored(rng.state());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(restored.next(), rng.next());
}

TEST(Rng, DrawsEachValueBelowABoundAboutEquallyOften) {
  Rng rng(1);
  constexpr int kDraws = 60000;
  std::vector<int> counts(6);
  for (int i = 0; i < kDraws; ++i) ++counts.at(rng.below(counts.size()));
  for (const int count : counts) EXPECT_NEAR(count, kDraws / 6, 5 * std::sqrt(kDraws / 6.0));
}

TEST(Rng, DrawsBelowALargeBoundWithoutBias) {
  // With a plain remainder, the lower half of this range would come twice as often as the upper.
  constexpr uint64_t kBound = (uint64_t{1} << 63) + (uint64_t{1} << 62);
  Rng rng(2);
  int low = 0;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) low += static_cast<int>(rng.below(kBound) < kBound / 2);
  EXPECT_NEAR(low, kDraws / 2, 5 * std::sqrt(kDraws / 4.0));
}

TEST(Rng, DrawsUniformValuesInTheUnitInterval) {
  Rng rng(3);
  double sum = 0;
  for (int i = 0; i < 20000; ++i) {
    const double value = rng.uniform();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 20000, 0.5, 0.02);
}

TEST(Rng, DrawsNormalValuesOfUnitVariance) {
  Rng rng(4);
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < 20000; ++i) {
    const double value = rng.normal();
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / 20000, 0.0, 0.04);
  EXPECT_NEAR(squares / 20000, 1.0, 0.06);
}

TEST(DeriveSeed, SeparatesPurposesAndSeeds) {
  EXPECT_NE(derive_seed(1, 2), derive_seed(1, 3));
  EXPECT_NE(derive_seed(1, 2), derive_seed(2, 2));
  EXPECT_NE(derive_seed(1, 2), derive_seed(2, 1));
}

TEST(PermuteIndex, IsABijectionForEverySize) {
  for (const uint64_t size : {1, 2, 3, 4, 5, 7, 16, 17, 100, 255, 256, 257, 1000, 4097}) {
    std::vector<bool> seen(size);
    for (uint64_t i = 0; i < size; ++i) {
      const uint64_t to = permute_index(i, size, 42);
      ASSERT_LT(to, size);
      ASSERT_FALSE(seen[to]) << "size " << size << " index " << i;
      seen[to] = true;
    }
  }
}

TEST(PermuteIndex, DependsOnTheKeyAndMovesNearlyEverything) {
  constexpr uint64_t kSize = 1000;
  int fixed = 0;
  int equal = 0;
  for (uint64_t i = 0; i < kSize; ++i) {
    fixed += static_cast<int>(permute_index(i, kSize, 1) == i);
    equal += static_cast<int>(permute_index(i, kSize, 1) == permute_index(i, kSize, 2));
  }
  EXPECT_LT(fixed, 20);
  EXPECT_LT(equal, 20);
}

}  // namespace
}  // namespace pretrain
