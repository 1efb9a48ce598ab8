// SPDX-License-Identifier: Apache-2.0
#include "libs/data/batch.h"

#include <gtest/gtest.h>

#include "libs/data/evaluation_data.h"

namespace pretrain {
namespace {

Batch sample() {
  Batch batch{
      .number = 3, .rows = 2, .context = 3, .inputs = {1, 2, 3, 4, 5, 6}, .targets = {2, 3, -1, 5, 6, 0}};
  finish_batch(batch);
  return batch;
}

TEST(Batch, CountsTheTargetsThatCount) {
  EXPECT_EQ(sample().target_count, 5U);
}

TEST(Batch, HashSeesEveryInputAndTarget) {
  const uint64_t hash = sample().hash;
  for (size_t i = 0; i < 6; ++i) {
    Batch input_changed = sample();
    ++input_changed.inputs[i];
    finish_batch(input_changed);
    EXPECT_NE(input_changed.hash, hash) << i;
    Batch target_changed = sample();
    ++target_changed.targets[i];
    finish_batch(target_changed);
    EXPECT_NE(target_changed.hash, hash) << i;
  }
}

TEST(Batch, HashIsOfTheTextAndNotOfItsPlace) {
  Batch moved = sample();
  moved.number = 99;
  moved.epoch = 7;
  finish_batch(moved);
  EXPECT_EQ(moved.hash, sample().hash);
}

TEST(Batch, HashIsTheSameInEveryRelease) {
  EXPECT_EQ(sample().hash, 432331433633901920U);
}

EvaluationData evaluation_sample() {
  return {
      .context = 2, .inputs = {1, 2, 3, 4}, .targets = {2, 3, 4, -1}, .target_count = 3, .target_bytes = 11};
}

TEST(EvaluationData, CountsItsSequences) {
  EXPECT_EQ(evaluation_sample().sequences(), 2U);
  EXPECT_EQ(EvaluationData().sequences(), 0U);
}

TEST(EvaluationData, HashSeesInputsTargetsAndContext) {
  const std::string hash = hash_of(evaluation_sample());
  EvaluationData other = evaluation_sample();
  other.inputs[3] = 9;
  EXPECT_NE(hash_of(other), hash);
  other = evaluation_sample();
  other.targets[3] = 0;
  EXPECT_NE(hash_of(other), hash);
  other = evaluation_sample();
  other.context = 4;
  EXPECT_NE(hash_of(other), hash);
  EXPECT_EQ(hash_of(evaluation_sample()), hash);
}

}  // namespace
}  // namespace pretrain
