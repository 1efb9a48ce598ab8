// SPDX-License-Identifier: Apache-2.0
#include "libs/train/global_batch.h"

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

TEST(GlobalBatch, OneProcessComputesAllOfIt) {
  const std::vector<Batch> batches{random_batch(kModel, 2, 1), random_batch(kModel, 3, 2)};
  const auto local = GlobalBatch(batches).local();
  EXPECT_EQ(local.data(), batches.data());
  EXPECT_EQ(local.size(), batches.size());
}

}  // namespace
}  // namespace pretrain
