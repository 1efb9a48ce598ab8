// SPDX-License-Identifier: Apache-2.0
#include "libs/train/bad_stretch.h"

#include <gtest/gtest.h>

namespace pretrain {
namespace {

/// Takes eight bytes a token, of which the bound knows.
std::vector<Batch> batch_of(uint64_t number, size_t tokens) {
  Batch batch;
  batch.number = number;
  batch.inputs.resize(tokens);
  return {batch};
}

std::vector<uint64_t> numbers_of(const std::vector<Batch>& batches) {
  std::vector<uint64_t> numbers;
  for (const Batch& batch : batches) numbers.push_back(batch.number);
  return numbers;
}

TEST(BadStretch, HoldsTheStateBeforeItAndItsBatchesInOrder) {
  BadStretch stretch;
  EXPECT_FALSE(stretch.open());
  stretch.begin({.step = 7, .tokens = 70});
  EXPECT_TRUE(stretch.open());
  for (uint64_t number = 7; number < 10; ++number) stretch.hold(batch_of(number, 10));
  EXPECT_TRUE(stretch.holds_all());
  EXPECT_EQ(stretch.before().step, 7U);
  EXPECT_EQ(stretch.before().tokens, 70U);
  EXPECT_EQ(numbers_of(stretch.take_batches()), (std::vector<uint64_t>{7, 8, 9}));
}

TEST(BadStretch, HoldsFortyMebibytesAndNothingOfALongerOne) {
  constexpr size_t kEightMebibytes = 1 << 20;
  BadStretch stretch;
  stretch.begin({});
  for (uint64_t number = 0; number < 5; ++number) stretch.hold(batch_of(number, kEightMebibytes));
  EXPECT_TRUE(stretch.holds_all());
  stretch.hold(batch_of(5, 1));
  EXPECT_FALSE(stretch.holds_all());
  stretch.hold(batch_of(6, 1));
  EXPECT_FALSE(stretch.holds_all()) << "what is lost does not come back";
  EXPECT_TRUE(stretch.take_batches().empty());
}

TEST(BadStretch, ForgetsEverythingAtItsEnd) {
  constexpr size_t kFortyMebibytes = 5 << 20;
  BadStretch stretch;
  stretch.begin({.step = 1});
  stretch.hold(batch_of(0, kFortyMebibytes));
  stretch.hold(batch_of(1, 1));
  stretch.end();
  EXPECT_FALSE(stretch.open());
  EXPECT_TRUE(stretch.holds_all());
  stretch.begin({.step = 2});
  stretch.hold(batch_of(2, kFortyMebibytes));
  EXPECT_TRUE(stretch.holds_all()) << "the bytes of the one before do not count";
  EXPECT_EQ(numbers_of(stretch.take_batches()), (std::vector<uint64_t>{2}));
}

}  // namespace
}  // namespace pretrain
