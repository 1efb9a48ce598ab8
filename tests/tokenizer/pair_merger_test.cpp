// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/pair_merger.h"

#include <algorithm>
#include <optional>

#include <gtest/gtest.h>

#include "libs/base/rng.h"
#include "tests/tokenizer/byte_pairs_testing.h"
#include "tokenizer/byte_alphabet.h"

namespace pretrain::test {
namespace {

/// Joins the leftmost pair of the earliest merge, over and over, by its definition.
std::vector<uint32_t> joined_slowly(const BytePairModel& model, std::string_view word) {
  std::vector<uint32_t> ids;
  for (const char byte : word) {
    const auto found = std::ranges::find(model.tokens, to_byte_letters({&byte, 1}), &BytePairToken::name);
    ids.push_back(static_cast<uint32_t>(found - model.tokens.begin()));
  }
  for (size_t merge = 0; merge < model.merges.size();) {
    const auto& [left, right, joined] = model.merges[merge];
    size_t at = 0;
    while (at + 1 < ids.size() && (ids[at] != left || ids[at + 1] != right)) ++at;
    if (at + 1 >= ids.size()) {
      ++merge;
      continue;
    }
    ids[at] = joined;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(at) + 1);
    merge = 0;
  }
  return ids;
}

TEST(PairMerger, JoinsInTheOrderOfTheMerges) {
  const Tokenizer tokenizer = recorded_tokenizer("gpt2");
  const BytePairModel& model = *tokenizer.byte_pairs();
  const PairMerger merger(model);
  Rng rng(17);
  for (int i = 0; i < 400; ++i) {
    std::string word;
    for (uint64_t n = rng.below(24); n > 0; --n) word += " aeinorstlhd\xC3\xA9"[rng.below(14)];
    std::vector<uint32_t> ids;
    merger.merge(word, ids);
    ASSERT_EQ(ids, joined_slowly(model, word)) << word;
  }
}

TEST(PairMerger, AppendsToWhatIsThere) {
  const Tokenizer tokenizer = recorded_tokenizer("gpt2");
  std::vector<uint32_t> ids{7};
  PairMerger(*tokenizer.byte_pairs()).merge("", ids);
  EXPECT_EQ(ids, std::vector<uint32_t>{7});
}

TEST(ByteAlphabet, HasALetterForEachByte) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  const std::string letters = to_byte_letters(bytes);
  EXPECT_EQ(from_byte_letters(letters), bytes);
  EXPECT_EQ(to_byte_letters(" a\n"), "\u0120a\u010a");
  EXPECT_EQ(from_byte_letters("\u6f22"), std::nullopt);
  EXPECT_EQ(from_byte_letters("\xFF"), std::nullopt);
  EXPECT_EQ(from_byte_letters(" "), std::nullopt);
}

}  // namespace
}  // namespace pretrain::test
