// SPDX-License-Identifier: Apache-2.0
#include "libs/train/global_batch.h"

#include <tuple>

#include <gtest/gtest.h>

#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

using test::random_batch;

const ModelConfig kModel = test::tiny_model();

TEST(GlobalBatch, CountsTheTargetsOfAllBatches) {
  const std::vector<Batch> batches{random_batch(kModel, 2, 1, 3), random_batch(kModel, 3, 2, 2)};
  EXPECT_EQ(GlobalBatch(batches).targets(), batches[0].target_count + batches[1].target_count);
  EXPECT_EQ(GlobalBatch({}).targets(), 0U);
}

TEST(GlobalBatch, HasTheHashOfItsOnlyBatch) {
  const std::vector<Batch> batches{random_batch(kModel, 2, 1)};
  EXPECT_EQ(GlobalBatch(batches).hash(), batches[0].hash);
}

TEST(GlobalBatch, HasAHashThatDependsOnEachBatchAndTheirOrder) {
  const Batch a = random_batch(kModel, 2, 1), b = random_batch(kModel, 2, 2), c = random_batch(kModel, 2, 3);
  const uint64_t hash = GlobalBatch(std::vector{a, b}).hash();
  EXPECT_EQ(GlobalBatch(std::vector{a, b}).hash(), hash);
  for (const auto& others : {std::vector{b, a}, {a, c}, {c, b}, {a, b, c}}) {
    EXPECT_NE(GlobalBatch(others).hash(), hash);
  }
}

/// (batch, first row, last row) of each part.
using Parts = std::vector<std::tuple<size_t, int64_t, int64_t>>;

Parts parts_of(const std::vector<Batch>& batches, uint32_t slots, uint32_t slot) {
  Parts parts;
  GlobalBatch(batches).for_each_part(slots, slot, [&](const BatchPart& part) {
    parts.emplace_back(static_cast<size_t>(&part.batch - batches.data()), part.rows.first, part.rows.last);
  });
  return parts;
}

TEST(GlobalBatch, OneSlotHasEveryBatchWhole) {
  const std::vector<Batch> batches{random_batch(kModel, 2, 1), random_batch(kModel, 3, 2)};
  EXPECT_EQ(parts_of(batches, 1, 0), (Parts{{0, 0, 2}, {1, 0, 3}}));
}

TEST(GlobalBatch, SlotsAreCutAtRowsAndAtBatches) {
  const std::vector<Batch> batches{random_batch(kModel, 2, 1), random_batch(kModel, 3, 2)};
  EXPECT_EQ(parts_of(batches, 2, 0), (Parts{{0, 0, 2}}));
  EXPECT_EQ(parts_of(batches, 2, 1), (Parts{{1, 0, 3}}));
  EXPECT_EQ(parts_of(batches, 3, 0), (Parts{{0, 0, 1}}));
  EXPECT_EQ(parts_of(batches, 3, 1), (Parts{{0, 1, 2}, {1, 0, 1}}));
  EXPECT_EQ(parts_of(batches, 3, 2), (Parts{{1, 1, 3}}));
}

}  // namespace
}  // namespace pretrain
