// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/blocks.h"

#include <vector>

#include <gtest/gtest.h>

#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

/// Lengths of all blocks of a text.
std::vector<size_t> block_lengths(std::string_view text, size_t grid) {
  std::vector<size_t> lengths;
  for (size_t at = 0; at < text.size(); at += lengths.back())
    lengths.push_back(block_length(text.substr(at), at, grid));
  return lengths;
}

TEST(Blocks, CutAfterTheLastNewlineElseTheLastSpaceBeforeTheGrid) {
  std::string text(3 * kBlockBytes, 'x');
  text[kBlockBytes - 500] = '\n';
  text[kBlockBytes - 100] = ' ';
  text[2 * kBlockBytes - 7] = ' ';
  EXPECT_EQ(block_lengths(text, kBlockBytes),
            (std::vector<size_t>{kBlockBytes - 499, kBlockBytes + 499 - 6, kBlockBytes + 6}));
}

TEST(Blocks, NeverCutACharacterOrACarriageReturnFromItsNewline) {
  std::string chinese;
  while (chinese.size() < 3 * kBlockBytes) chinese += "\xE5\xAD\xA6";
  for (const size_t length : block_lengths(chinese, kBlockBytes)) EXPECT_EQ(length % 3, 0U);
  std::string windows(2 * kBlockBytes, 'x');
  windows[kBlockBytes - 1] = '\r';
  windows[kBlockBytes] = '\n';
  EXPECT_EQ(block_lengths(windows, kBlockBytes).front(), kBlockBytes - 1);
}

TEST(Blocks, AreFoundFromAnyGridLineWithoutTheTextBefore) {
  const std::string text = test::random_text(5, 100'000);
  size_t at = 0;
  size_t line = 1;
  for (const size_t length : block_lengths(text, kBlockBytes)) {
    at += length;
    if (at == text.size()) break;
    const size_t before = line * kBlockBytes - kCutSlack;
    EXPECT_EQ(before + cut_near(std::string_view(text).substr(before), kCutSlack), at);
    ++line;
  }
  EXPECT_EQ(line, text.size() / kBlockBytes + 1);
}

TEST(Blocks, StayNearTheirGrid) {
  for (const size_t length : block_lengths(test::random_text(6, 200'000), kPieceBytes)) {
    EXPECT_LE(length, kPieceBytes + kCutSlack);
  }
}

TEST(HoldOut, TakesAboutTheFractionAndKeepsItWhenTheFractionGrows) {
  size_t small = 0;
  size_t large = 0;
  for (uint64_t i = 0; i < 20'000; ++i) {
    const std::string text = std::to_string(i);
    small += is_held_out(text, 0.05) ? 1 : 0;
    large += is_held_out(text, 0.2) ? 1 : 0;
    EXPECT_TRUE(is_held_out(text, 0.2) || !is_held_out(text, 0.05));
  }
  EXPECT_NEAR(static_cast<double>(small), 1000, 150);
  EXPECT_NEAR(static_cast<double>(large), 4000, 300);
  EXPECT_FALSE(is_held_out("text", 0));
  EXPECT_TRUE(is_held_out("text", 1));
}

TEST(HoldOut, StaysTheSameInAllVersions) {
  std::string chosen;
  for (int i = 0; i < 30; ++i) {
    if (is_held_out("document " + std::to_string(i), 0.1)) chosen += std::to_string(i) + " ";
  }
  EXPECT_EQ(chosen, "5 14 ");
}

TEST(LineEnds, BecomeNewlinesAndLoneReturnsStay) {
  std::string text = "a\r\nb\rc\r\r\nd\ne\r";
  unify_line_ends(text);
  EXPECT_EQ(text, "a\nb\rc\r\nd\ne\r");
}

}  // namespace
}  // namespace pretrain
