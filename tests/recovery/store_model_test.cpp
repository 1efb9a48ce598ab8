// SPDX-License-Identifier: Apache-2.0
// Random sequences of save, fail, crash, damage and restart against the model. In full: 100,000 of them with
// PRETRAIN_LONG_TESTS=1. PRETRAIN_SEQUENCES=first-last runs those alone, to look at one that failed.

#include <cstdlib>
#include <iostream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/recovery/store_sequence.h"

namespace pretrain {
namespace {

using namespace test;

constexpr uint64_t kSeed = 20;
constexpr int kEvents = 9;
constexpr uint64_t kShortForm = 1500;
constexpr uint64_t kLongForm = 100'000;

struct Range {
  uint64_t first = 0;
  uint64_t last = 0;  ///< included
};

Range chosen_sequences() {
  if (const char* range = std::getenv("PRETRAIN_SEQUENCES")) {
    std::istringstream text(range);
    Range chosen;
    char dash = 0;
    text >> chosen.first >> dash >> chosen.last;
    EXPECT_TRUE(text && dash == '-') << "PRETRAIN_SEQUENCES is first-last, not " << range;
    return chosen;
  }
  return {0, (std::getenv("PRETRAIN_LONG_TESTS") != nullptr ? kLongForm : kShortForm) - 1};
}

TEST(StoreModelTest, HoldsInRandomSequencesOfSaveFailCrashDamageAndRestart) {
  const Range chosen = chosen_sequences();
  SequenceCounts counts;
  for (uint64_t i = chosen.first; i <= chosen.last; ++i) {
    const std::string violation = StoreSequence(derive_seed(kSeed, i), counts).run(kEvents);
    ASSERT_EQ(violation, "") << "seed " << kSeed << " sequence " << i;
  }
  std::cout << fmt::format(
      "{} sequences: {} saves acknowledged, {} of a run in trouble, {} operations failed, {} crashes, {} "
      "checkpoints damaged, {} unreadable for a while, {} starts refused, {} abandonings; disk use at most "
      "{} "
      "permille of its bound\n",
      counts.sequences, counts.acknowledged, counts.sick, counts.failed, counts.crashes, counts.damaged,
      counts.unreadable, counts.refused, counts.abandonings, counts.most_bytes_permille);
  EXPECT_GT(counts.acknowledged, 0U);
  EXPECT_GT(counts.refused, 0U);
}

uint64_t violations_of(StoreSequence::Plant plant) {
  SequenceCounts counts;
  uint64_t noticed = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    noticed +=
        static_cast<uint64_t>(!StoreSequence(derive_seed(kSeed, i), counts, plant).run(2 * kEvents).empty());
  }
  return noticed;
}

TEST(StoreModelTest, NoticesRetentionThatForgetsThePermanentOnes) {
  EXPECT_GT(violations_of(StoreSequence::Plant::kForgetsPermanents), 0U);
}

TEST(StoreModelTest, NoticesRetentionThatCountsTheSick) {
  EXPECT_GT(violations_of(StoreSequence::Plant::kCountsTheSick), 0U);
}

TEST(StoreModelTest, NoticesAStoreThatTakesErrorsOfTheDeviceForDamage) {
  EXPECT_GT(violations_of(StoreSequence::Plant::kTakesErrorsForDamage), 0U);
}

TEST(StoreModelTest, NoticesAStartThatSetsAsideWhateverFails) {
  EXPECT_GT(violations_of(StoreSequence::Plant::kSetsAllAside), 0U);
}

TEST(StoreModelTest, NoticesAStoreThatSkipsFolderSyncs) {
  EXPECT_GT(violations_of(StoreSequence::Plant::kSkipsFolderSyncs), 0U);
}

}  // namespace
}  // namespace pretrain
