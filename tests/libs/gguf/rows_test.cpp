// SPDX-License-Identifier: Apache-2.0
#include "libs/gguf/rows.h"

#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pretrain {
namespace {

using testing::ElementsAre;

std::vector<float> counted(size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 1.0F);
  return values;
}

TEST(Rows, OfATransposedMatrixAreItsColumns) {
  std::vector<float> to(6);
  transpose(2, 3, counted(6), to);
  EXPECT_THAT(to, ElementsAre(1, 4, 2, 5, 3, 6));
  std::vector<float> back(6);
  transpose(3, 2, to, back);
  EXPECT_EQ(back, counted(6));
}

/// Two heads of four channels in one column: the halves of each are mixed, and nothing leaves its head.
TEST(Rows, OfAHeadAreInterleaved) {
  std::vector<float> to(8);
  interleave_halves({.heads = 2, .channels = 4, .columns = 1}, counted(8), to);
  EXPECT_THAT(to, ElementsAre(1, 3, 2, 4, 5, 7, 6, 8));
}

TEST(Rows, AreMovedAsAWhole) {
  std::vector<float> to(12);
  interleave_halves({.heads = 1, .channels = 4, .columns = 3}, counted(12), to);
  EXPECT_THAT(to, ElementsAre(1, 2, 3, 7, 8, 9, 4, 5, 6, 10, 11, 12));
}

TEST(Rows, AreBackWhereTheyWere) {
  for (const HeadRows shape : {HeadRows{1, 2, 1}, HeadRows{3, 8, 5}, HeadRows{2, 128, 7}}) {
    const auto values = counted(shape.heads * shape.channels * shape.columns);
    std::vector<float> there(values.size()), back(values.size());
    interleave_halves(shape, values, there);
    part_halves(shape, there, back);
    EXPECT_EQ(back, values);
  }
}

}  // namespace
}  // namespace pretrain
