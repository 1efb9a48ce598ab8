// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/gguf_vocabulary.h"

#include <algorithm>

#include <gmock/gmock.h>

#include "libs/base/error.h"
#include "tests/tokenizer/sample_models.h"

namespace pretrain::test {
namespace {

template <typename T>
T value_of(const std::vector<GgufEntry>& entries, std::string_view key) {
  const GgufValue* value = find_value(entries, key);
  EXPECT_NE(value, nullptr) << key;
  return std::get<T>(*value);
}

template <typename T>
std::vector<T> array_of(const std::vector<GgufEntry>& entries, std::string_view key) {
  return std::get<std::vector<T>>(value_of<GgufArray>(entries, key));
}

class GgufVocabulary : public testing::TestWithParam<TokenizerType> {};

TEST_P(GgufVocabulary, HasEveryPieceWithScoreAndKind) {
  const Tokenizer& tokenizer = sample_tokenizer(GetParam());
  const auto entries = gguf_vocabulary(tokenizer);
  const auto tokens = array_of<std::string>(entries, "tokenizer.ggml.tokens");
  const auto scores = array_of<float>(entries, "tokenizer.ggml.scores");
  const auto kinds = array_of<int32_t>(entries, "tokenizer.ggml.token_type");
  ASSERT_EQ(tokens.size(), tokenizer.vocabulary_size());
  ASSERT_EQ(scores.size(), tokens.size());
  ASSERT_EQ(kinds.size(), tokens.size());
  for (uint32_t id = 0; id < tokens.size(); ++id) {
    EXPECT_EQ(tokens[id], tokenizer.piece(id));
    EXPECT_EQ(scores[id], tokenizer.model().pieces[id].score);
  }
  EXPECT_EQ(kinds[tokenizer.end_of_text()], 3);  // control
  EXPECT_EQ(kinds[value_of<uint32_t>(entries, "tokenizer.ggml.unknown_token_id")], 2);
  const auto newline = std::ranges::find(tokens, "<0x0A>") - tokens.begin();
  EXPECT_EQ(kinds[static_cast<size_t>(newline)], 6);
}

/// Each of these is otherwise assumed to be another value.
TEST_P(GgufVocabulary, AddsNothingToAText) {
  const Tokenizer& tokenizer = sample_tokenizer(GetParam());
  const auto entries = gguf_vocabulary(tokenizer);
  EXPECT_EQ(value_of<uint32_t>(entries, "tokenizer.ggml.eos_token_id"), tokenizer.end_of_text());
  EXPECT_EQ(value_of<uint32_t>(entries, "tokenizer.ggml.bos_token_id"), tokenizer.end_of_text());
  EXPECT_FALSE(value_of<bool>(entries, "tokenizer.ggml.add_bos_token"));
  EXPECT_FALSE(value_of<bool>(entries, "tokenizer.ggml.add_space_prefix"));
}

INSTANTIATE_TEST_SUITE_P(Types, GgufVocabulary, testing::Values(TokenizerType::kBpe, TokenizerType::kChar));

TEST(GgufVocabularyOfUnigram, IsRefusedWithItsReason) {
  try {
    gguf_vocabulary(sample_tokenizer(TokenizerType::kUnigram));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_THAT(error.what(),
                testing::AllOf(testing::HasSubstr("unigram"), testing::HasSubstr("--format hf")));
  }
}

}  // namespace
}  // namespace pretrain::test
