// SPDX-License-Identifier: Apache-2.0
#include "pipeline/seen_documents.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/base/rng.h"

namespace pretrain {
namespace {

constexpr DeduplicationOptions kNear{.mode = Deduplication::kNear, .documents = 1000};
constexpr DeduplicationOptions kExact{.mode = Deduplication::kExact, .documents = 1000};

/// A document whose band `i` has the hash `first + i`.
DocumentSignature numbered(uint64_t first) {
  DocumentSignature document{.text = first, .has_words = true};
  std::iota(document.bands.begin(), document.bands.end(), first);
  return document;
}

/// A document without words, of which the text alone is compared.
DocumentSignature wordless(uint64_t text) {
  return {.text = text};
}

/// About `count` sentences of a village.
std::string stub(uint64_t number, size_t words) {
  Rng rng(number);
  std::string text;
  for (size_t i = 0; i < words; ++i) text += fmt::format("word{} ", rng.below(10'000));
  return text;
}

TEST(SeenDocuments, FindsCopiesAndNearCopies) {
  SeenDocuments seen(kNear);
  const std::string text = stub(1, 200);
  EXPECT_EQ(seen.find_or_add(signature_of(text)), std::nullopt);
  EXPECT_EQ(seen.find_or_add(signature_of(text)), SkipReason::kDuplicate);
  EXPECT_EQ(seen.find_or_add(signature_of(text + "more")), SkipReason::kNearDuplicate);
  EXPECT_EQ(seen.find_or_add(signature_of(stub(2, 200))), std::nullopt);
}

TEST(SeenDocuments, FindsCopiesAloneWhenAskedTo) {
  SeenDocuments seen(kExact);
  const std::string text = stub(1, 200);
  EXPECT_EQ(seen.find_or_add(signature_of(text)), std::nullopt);
  EXPECT_EQ(seen.find_or_add(signature_of(text + "more")), std::nullopt);
  EXPECT_EQ(seen.find_or_add(signature_of(text)), SkipReason::kDuplicate);
  EXPECT_LT(SeenDocuments::table_bytes(kExact), SeenDocuments::table_bytes(kNear) / 16);
}

TEST(SeenDocuments, ComparesTheTextOfADocumentWithoutWords) {
  SeenDocuments seen(kNear);
  EXPECT_EQ(seen.find_or_add(wordless(1)), std::nullopt);
  EXPECT_EQ(seen.find_or_add(wordless(2)), std::nullopt);
  EXPECT_EQ(seen.find_or_add(wordless(1)), SkipReason::kDuplicate);
}

TEST(SeenDocuments, OneSharedBandIsEnoughButOnlyInItsPlace) {
  SeenDocuments seen(kNear);
  EXPECT_EQ(seen.find_or_add(numbered(100)), std::nullopt);
  DocumentSignature shares_one = numbered(1000);
  shares_one.bands[3] = 103;
  EXPECT_EQ(seen.find_or_add(shares_one), SkipReason::kNearDuplicate);
  DocumentSignature elsewhere = numbered(2000);
  elsewhere.bands[4] = 103;
  EXPECT_EQ(seen.find_or_add(elsewhere), std::nullopt);
}

TEST(SeenDocuments, ASkippedDocumentLeadsToNoOthers) {
  SeenDocuments seen(kNear);
  EXPECT_EQ(seen.find_or_add(numbered(100)), std::nullopt);
  DocumentSignature step = numbered(1000);
  step.bands[0] = 100;
  EXPECT_EQ(seen.find_or_add(step), SkipReason::kNearDuplicate);
  DocumentSignature next = numbered(2000);
  next.bands[1] = 1001;  // of the skipped one
  EXPECT_EQ(seen.find_or_add(next), std::nullopt);
}

TEST(SeenDocuments, AFullBucketForgetsTheKeyNotMetForTheLongestTime) {
  SeenDocuments seen({.mode = Deduplication::kExact, .documents = 8});  // one bucket
  for (uint64_t text = 0; text < 8; ++text) EXPECT_EQ(seen.find_or_add(wordless(text)), std::nullopt);
  EXPECT_EQ(seen.find_or_add(wordless(0)), SkipReason::kDuplicate);  // now 1 is the oldest
  EXPECT_EQ(seen.find_or_add(wordless(8)), std::nullopt);
  EXPECT_EQ(seen.find_or_add(wordless(0)), SkipReason::kDuplicate);
  for (uint64_t text = 2; text <= 8; ++text)
    EXPECT_EQ(seen.find_or_add(wordless(text)), SkipReason::kDuplicate) << text;
  EXPECT_EQ(seen.find_or_add(wordless(1)), std::nullopt);
}

TEST(SeenDocuments, RemembersMostOfAsManyAsItIsFor) {
  SeenDocuments seen({.mode = Deduplication::kNear, .documents = 500});
  for (uint64_t i = 0; i < 500; ++i) EXPECT_EQ(seen.find_or_add(numbered(100 * i)), std::nullopt);
  uint64_t found = 0;
  for (uint64_t i = 0; i < 500; ++i) {
    DocumentSignature other = numbered(100 * i);
    other.text += 50;
    found += seen.find_or_add(other) ? 1 : 0;
  }
  EXPECT_EQ(found, 500u);
}

TEST(SeenDocuments, AnotherEpochRemembersTheEvaluatedOnesAlone) {
  SeenDocuments seen(kNear);
  const std::vector<DocumentSignature> evaluated{numbered(500), numbered(100)};
  seen.set_evaluated(evaluated);
  EXPECT_EQ(seen.find_or_add(numbered(900)), std::nullopt);
  for (int epoch = 0; epoch < 2; ++epoch) {
    DocumentSignature like_evaluated = numbered(2000);
    like_evaluated.bands[5] = 105;
    EXPECT_EQ(seen.find_or_add(numbered(500)), SkipReason::kEvaluatedDuplicate);
    EXPECT_EQ(seen.find_or_add(like_evaluated), SkipReason::kEvaluatedDuplicate);
    seen.forget();
  }
  EXPECT_EQ(seen.find_or_add(numbered(900)), std::nullopt);
}

StreamState state_of(const SeenDocuments& seen) {
  StreamState state;
  seen.save(state);
  return state;
}

TEST(SeenDocuments, ARestoredOneDecidesTheSame) {
  const DeduplicationOptions small{.mode = Deduplication::kNear, .documents = 60};
  SeenDocuments seen(small);
  seen.set_evaluated(std::vector<DocumentSignature>{numbered(7)});
  Rng rng(5);
  for (int i = 0; i < 300; ++i) (void)seen.find_or_add(numbered(10 * rng.below(200)));
  SeenDocuments restored(small);
  restored.restore(state_of(seen));
  int duplicates = 0;
  for (int i = 0; i < 300; ++i) {
    const DocumentSignature document = numbered(10 * rng.below(200) + rng.below(9));
    const auto expected = seen.find_or_add(document);
    ASSERT_EQ(restored.find_or_add(document), expected) << i;
    duplicates += expected ? 1 : 0;
  }
  EXPECT_GT(duplicates, 10);
  EXPECT_LT(duplicates, 290);
}

TEST(SeenDocuments, AnEmptyTableIsSmallInACheckpoint) {
  uint64_t bytes = 0;
  for (const StreamState::Array& array : state_of(SeenDocuments({.mode = Deduplication::kNear})).arrays)
    bytes += array.bytes.size();
  EXPECT_LT(bytes, 1'100'000u);
  EXPECT_EQ(SeenDocuments::table_bytes({.mode = Deduplication::kNear}), 68'000'000u);
  EXPECT_EQ(SeenDocuments::table_bytes({}), 0u);
  EXPECT_EQ(SeenDocuments::state_bytes({}), 0u);
}

TEST(SeenDocuments, RefusesAStateThatDoesNotFit) {
  SeenDocuments seen(kNear);
  for (uint64_t i = 0; i < 40; ++i) (void)seen.find_or_add(numbered(100 * i));
  const StreamState sound = state_of(seen);
  EXPECT_NO_THROW(SeenDocuments(kNear).restore(sound));
  EXPECT_THROW(SeenDocuments(kExact).restore(sound), Error);
  EXPECT_THROW(SeenDocuments({.mode = Deduplication::kNear, .documents = 999}).restore(sound), Error);
  EXPECT_THROW(SeenDocuments(kNear).restore({}), Error);
  for (size_t array = 0; array < 2; ++array) {
    StreamState shorter = sound;
    shorter.arrays[array].bytes.resize(shorter.arrays[array].bytes.size() - 4);
    EXPECT_THROW(SeenDocuments(kNear).restore(shorter), Error) << array;
  }
  StreamState too_full = sound;
  too_full.arrays[1].bytes.front() = std::byte{0x9f};
  EXPECT_THROW(SeenDocuments(kNear).restore(too_full), Error);
  StreamState zero = sound;
  std::ranges::fill(zero.arrays[0].bytes, std::byte{0});
  EXPECT_THROW(SeenDocuments(kNear).restore(zero), Error);
  StreamState half = sound;
  half.arrays[2].bytes.resize(4);
  EXPECT_THROW(SeenDocuments(kNear).restore(half), Error);
}

TEST(DuplicateShares, CountCopiesAndShortDocuments) {
  const std::vector<std::string> documents{stub(1, 100), stub(2, 100), stub(1, 100), stub(1, 100) + "more",
                                           "a short one"};
  const DuplicateShares shares = duplicate_shares(documents);
  EXPECT_EQ(shares.documents, 5u);
  EXPECT_EQ(shares.duplicates, 2u);
  EXPECT_EQ(shares.few_words, 1u);
  EXPECT_EQ(duplicate_shares({}).documents, 0u);
}

}  // namespace
}  // namespace pretrain
