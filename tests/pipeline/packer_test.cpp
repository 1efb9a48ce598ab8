// SPDX-License-Identifier: Apache-2.0
#include "pipeline/packer.h"

#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "tests/pipeline/assembler_testing.h"

namespace pretrain {
namespace {

using test::kEndOfText;
using testing::ElementsAre;
using testing::ElementsAreArray;

struct Sequence {
  std::vector<uint32_t> tokens;
  uint32_t pairs = 0;
  SequenceOrigin origin = {};

  bool operator==(const Sequence&) const = default;
};

std::vector<Sequence> without_origins(std::vector<Sequence> sequences) {
  for (Sequence& sequence : sequences) sequence.origin = {};
  return sequences;
}

void take_all(Packer& packer, std::vector<Sequence>& sequences) {
  while (const std::optional<SequenceView> view = packer.next())
    sequences.push_back({{view->tokens.begin(), view->tokens.end()}, view->pairs, view->origin});
}

SequenceOrigin origin_of(const test::Document& document) {
  return {.shard = 3, .offset = document.empty() ? 0 : document.front()};
}

/// Packs documents that are delivered in pieces of `piece_tokens`.
std::vector<Sequence> pack(Packing packing, uint32_t context, const std::vector<test::Document>& documents,
                           size_t piece_tokens = 1000) {
  Packer packer(packing, context, kEndOfText);
  std::vector<Sequence> sequences;
  for (const test::Document& document : documents) {
    for (const EncodedPiece& piece : test::pieces_of(document, piece_tokens)) {
      packer.add(piece, origin_of(document));
      take_all(packer, sequences);
    }
  }
  packer.flush();
  take_all(packer, sequences);
  return sequences;
}

test::Document numbers(uint32_t first, size_t count) {
  test::Document document(count);
  std::iota(document.begin(), document.end(), first);
  return document;
}

std::vector<uint32_t> targets_of(const std::vector<Sequence>& sequences) {
  std::vector<uint32_t> targets;
  for (const Sequence& sequence : sequences) {
    const auto begin = sequence.tokens.begin() + 1;
    targets.insert(targets.end(), begin, begin + sequence.pairs);
  }
  return targets;
}

std::vector<uint32_t> pairs_of(const std::vector<Sequence>& sequences) {
  std::vector<uint32_t> pairs;
  for (const Sequence& sequence : sequences) pairs.push_back(sequence.pairs);
  return pairs;
}

TEST(Packer, ConcatenatesWithStrideOfOneContext) {
  const auto sequences = pack(Packing::kConcat, 4, {numbers(10, 6), numbers(20, 5)});
  // 10 11 12 13 14 15 <end> 20 21 22 23 24 <end>
  ASSERT_EQ(sequences.size(), 3u);
  EXPECT_THAT(sequences[0].tokens, ElementsAre(10, 11, 12, 13, 14));
  EXPECT_THAT(sequences[1].tokens, ElementsAre(14, 15, kEndOfText, 20, 21));
  EXPECT_THAT(sequences[2].tokens, ElementsAre(21, 22, 23, 24, kEndOfText));
}

TEST(Packer, ConcatMakesEachTokenATargetExactlyOnceInOrder) {
  const auto documents = test::numbered_documents(3, 60, 90);
  std::vector<uint32_t> stream;
  for (const auto& document : documents) {
    stream.insert(stream.end(), document.begin(), document.end());
    stream.push_back(kEndOfText);
  }
  stream.erase(stream.begin());  // nothing is before the first token
  for (const uint32_t context : {1u, 2u, 7u, 16u, 64u}) {
    EXPECT_THAT(targets_of(pack(Packing::kConcat, context, documents)), ElementsAreArray(stream)) << context;
  }
}

TEST(Packer, ConcatUsesEveryPositionExceptInTheLastSequence) {
  const auto sequences = pack(Packing::kConcat, 16, test::numbered_documents(4, 40, 90));
  for (size_t i = 0; i + 1 < sequences.size(); ++i) EXPECT_EQ(sequences[i].pairs, 16u) << i;
}

TEST(Packer, ChunksADocumentOf659PairsIntoFiveFullPiecesAndOneOfNineteen) {
  const auto sequences = pack(Packing::kChunk, 128, {numbers(100, 659)});
  EXPECT_THAT(pairs_of(sequences), ElementsAre(128, 128, 128, 128, 128, 19));
  const auto& last = sequences.back().tokens;
  ASSERT_EQ(last.size(), 129u);
  EXPECT_EQ(last[0], 100u + 640u);
  EXPECT_EQ(last[18], 100u + 658u);
  for (size_t i = 19; i < last.size(); ++i)
    EXPECT_EQ(last[i], kEndOfText) << i;  // the last target and padding
}

TEST(Packer, ChunkKeepsEachDocumentAlone) {
  const auto sequences =
      without_origins(pack(Packing::kChunk, 4, {numbers(10, 6), numbers(20, 2), numbers(30, 4)}));
  ASSERT_EQ(sequences.size(), 4u);
  EXPECT_EQ(sequences[0], (Sequence{{10, 11, 12, 13, 14}, 4}));
  EXPECT_EQ(sequences[1], (Sequence{{14, 15, kEndOfText, kEndOfText, kEndOfText}, 2}));
  EXPECT_EQ(sequences[2], (Sequence{{20, 21, kEndOfText, kEndOfText, kEndOfText}, 2}));
  EXPECT_EQ(sequences[3], (Sequence{{30, 31, 32, 33, kEndOfText}, 4}));
}

TEST(Packer, ChunkGivesAsManyPairsAsADocumentHasTokens) {
  for (size_t tokens = 0; tokens < 40; ++tokens) {
    const auto targets = targets_of(pack(Packing::kChunk, 8, {numbers(10, tokens), numbers(100, 3)}));
    ASSERT_EQ(targets.size(), tokens + 3);
    for (size_t i = 0; i + 1 < tokens; ++i) EXPECT_EQ(targets[i], 11 + i);
    if (tokens > 0) {
      EXPECT_EQ(targets[tokens - 1], kEndOfText);
    }
  }
}

TEST(Packer, GivesTheSameForADocumentInPieces) {
  const auto documents = test::numbered_documents(5, 30, 70);
  for (const Packing packing : {Packing::kConcat, Packing::kChunk}) {
    const auto whole = pack(packing, 8, documents);
    for (size_t piece = 1; piece < 20; ++piece) EXPECT_EQ(pack(packing, 8, documents, piece), whole) << piece;
  }
}

TEST(Packer, GivesTheSameWhenTheLastPieceIsEmpty) {
  for (const Packing packing : {Packing::kConcat, Packing::kChunk}) {
    for (size_t tokens = 0; tokens < 20; ++tokens) {
      Packer packer(packing, 4, kEndOfText);
      std::vector<Sequence> sequences;
      packer.add({.ids = numbers(10, tokens), .begins_document = true});
      take_all(packer, sequences);
      packer.add({.ids = {}, .ends_document = true});
      take_all(packer, sequences);
      packer.flush();
      take_all(packer, sequences);
      EXPECT_EQ(sequences, without_origins(pack(packing, 4, {numbers(10, tokens)}))) << tokens;
    }
  }
}

TEST(Packer, AnEmptyDocumentIsOneEndOfTextInConcatAndNothingInChunk) {
  EXPECT_THAT(targets_of(pack(Packing::kConcat, 4, {{10}, {}, {20}})), ElementsAre(1, 1, 20, 1));
  EXPECT_THAT(targets_of(pack(Packing::kChunk, 4, {{10}, {}, {20}})), ElementsAre(1, 1));
  EXPECT_TRUE(pack(Packing::kChunk, 4, {{}, {}}).empty());
}

TEST(Packer, FlushPadsWhatIsLeftAndOnlyThen) {
  Packer packer(Packing::kConcat, 4, kEndOfText);
  packer.add({.ids = {10, 11}, .begins_document = true, .ends_document = true});
  EXPECT_FALSE(packer.next());
  packer.flush();
  const std::optional<SequenceView> view = packer.next();
  ASSERT_TRUE(view);
  EXPECT_EQ(view->pairs, 2u);
  EXPECT_THAT(view->tokens, ElementsAre(10, 11, kEndOfText, kEndOfText, kEndOfText));
  EXPECT_FALSE(packer.next());
}

TEST(Packer, FlushGivesNothingForTheOverlapTokenAlone) {
  Packer packer(Packing::kConcat, 4, kEndOfText);
  packer.add({.ids = {10, 11, 12, 13}, .begins_document = true, .ends_document = true});
  std::vector<Sequence> sequences;
  take_all(packer, sequences);
  packer.flush();
  take_all(packer, sequences);
  EXPECT_THAT(pairs_of(sequences), ElementsAre(4));
}

/// Packs with a restore into a new packer before and after each piece and each sequence.
std::vector<Sequence> pack_with_restores(Packing packing, uint32_t context,
                                         const std::vector<test::Document>& documents, size_t piece_tokens) {
  Packer packer(packing, context, kEndOfText);
  std::vector<Sequence> sequences;
  const auto restart = [&] {
    const auto carry = packer.carry();
    Packer next(packing, context, kEndOfText);
    next.restore({carry.begin(), carry.end()}, packer.document_ends(), packer.document_starts());
    packer = std::move(next);
  };
  const auto take = [&] {
    restart();
    while (const std::optional<SequenceView> view = packer.next()) {
      sequences.push_back({{view->tokens.begin(), view->tokens.end()}, view->pairs, view->origin});
      restart();
    }
  };
  for (const test::Document& document : documents) {
    // Two pieces at a time, so that whole documents wait in the carry.
    const auto pieces = test::pieces_of(document, piece_tokens);
    for (size_t i = 0; i < pieces.size(); ++i) {
      packer.add(pieces[i], origin_of(document));
      if (i % 2 == 1) take();
    }
    restart();
  }
  take();
  packer.flush();
  take_all(packer, sequences);
  return sequences;
}

TEST(Packer, ASequenceComesFromTheDocumentOfItsFirstToken) {
  // 6 tokens and their end, 3 and theirs, 9 and theirs: windows of 4 begin at 0, 4, 8, 12, 16.
  const std::vector<test::Document> documents{numbers(100, 6), numbers(200, 3), numbers(300, 9)};
  const auto sequences = pack(Packing::kConcat, 4, documents);
  ASSERT_GE(sequences.size(), 5U);
  const std::vector<uint64_t> expected{100, 100, 200, 300, 300};
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(sequences[i].origin.offset, expected[i]) << i;
  for (const Sequence& sequence : pack(Packing::kChunk, 4, documents))
    EXPECT_EQ(sequence.origin.offset / 100, sequence.tokens.front() / 100);
}

TEST(Packer, GoesOnFromItsStateAtEveryPoint) {
  const auto documents = test::numbered_documents(6, 40, 50);
  for (const Packing packing : {Packing::kConcat, Packing::kChunk}) {
    for (const size_t piece : {3u, 11u, 100u}) {
      EXPECT_EQ(pack_with_restores(packing, 8, documents, piece), pack(packing, 8, documents)) << piece;
    }
  }
}

TEST(Packer, CarriesLessThanOneSequence) {
  Packer packer(Packing::kConcat, 16, kEndOfText);
  std::vector<Sequence> sequences;
  for (const auto& document : test::numbered_documents(7, 50, 200)) {
    packer.add({.ids = document, .begins_document = true, .ends_document = true});
    take_all(packer, sequences);
    EXPECT_LE(packer.carry().size(), 16u);
  }
}

}  // namespace
}  // namespace pretrain
