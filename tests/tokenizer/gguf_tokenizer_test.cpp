// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/gguf_tokenizer.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "tests/tokenizer/byte_pairs_testing.h"
#include "tests/tokenizer/sample_models.h"
#include "tokenizer/byte_pair_model.h"
#include "tokenizer/gguf_vocabulary.h"

namespace pretrain::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string refusal(const std::vector<GgufEntry>& metadata) {
  try {
    tokenizer_of_gguf(metadata);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    return error.what();
  }
  return "";
}

/// The keys with one of another value, or without it.
std::vector<GgufEntry> with(std::vector<GgufEntry> metadata, const std::string& key, const GgufValue& value) {
  std::erase_if(metadata, [&](const GgufEntry& entry) { return entry.key == key; });
  metadata.push_back({key, value});
  return metadata;
}
std::vector<GgufEntry> without(std::vector<GgufEntry> metadata, const std::string& key) {
  std::erase_if(metadata, [&](const GgufEntry& entry) { return entry.key == key; });
  return metadata;
}

TEST(GgufTokenizer, EncodesLikeThePiecesThatWereWritten) {
  for (const TokenizerType type : {TokenizerType::kBpe, TokenizerType::kChar}) {
    const Tokenizer& tokenizer = sample_tokenizer(type);
    const Tokenizer read = tokenizer_of_gguf(gguf_vocabulary(tokenizer));
    EXPECT_EQ(read.vocabulary_size(), tokenizer.vocabulary_size());
    EXPECT_EQ(read.end_of_text(), tokenizer.end_of_text());
    Rng rng(23);
    for (int i = 0; i < 300; ++i) {
      const std::string text = random_text(rng, 60);
      ASSERT_EQ(encode(read, text), encode(tokenizer, text)) << text;
    }
  }
}

TEST(GgufTokenizer, EncodesLikeTheBytePairsThatWereWritten) {
  for (const char* kind : {"gpt2", "smollm", "llama3"}) {
    const Tokenizer tokenizer = recorded_tokenizer(kind);
    EXPECT_EQ(tokenizer_of_gguf(gguf_vocabulary(tokenizer)).hash(), tokenizer.hash()) << kind;
  }
}

/// A file does not say that text is put into NFC first; all else is the same.
TEST(GgufTokenizer, LeavesTextAsItIs) {
  const Tokenizer tokenizer = recorded_tokenizer("qwen2");
  const Tokenizer read = tokenizer_of_gguf(gguf_vocabulary(tokenizer));
  EXPECT_FALSE(read.byte_pairs()->is_composed);
  EXPECT_EQ(read.byte_pairs()->merges, tokenizer.byte_pairs()->merges);
  EXPECT_EQ(read.decode(encode(read, "e\u0301")), "e\u0301");
  EXPECT_EQ(encode(read, "The capital <think> 12"), encode(tokenizer, "The capital <think> 12"));
}

TEST(GgufTokenizer, RefusesWhatItCanNotEncodeExactly) {
  const auto pairs = gguf_vocabulary(recorded_tokenizer("gpt2"));
  const auto pieces = gguf_vocabulary(sample_tokenizer(TokenizerType::kBpe));
  const auto text = [](const char* value) { return GgufValue(std::string(value)); };
  EXPECT_THAT(refusal(with(pairs, "tokenizer.ggml.pre", text("deepseek-coder"))),
              AllOf(HasSubstr("deepseek-coder"), HasSubstr("--tokenizer")));
  EXPECT_THAT(refusal(with(pairs, "tokenizer.ggml.model", text("bert"))), HasSubstr("bert"));
  EXPECT_THAT(refusal(with(pieces, "tokenizer.ggml.add_space_prefix", true)), HasSubstr("add_space_prefix"));
  EXPECT_THAT(refusal(without(pieces, "tokenizer.ggml.add_space_prefix")), HasSubstr("add_space_prefix"));
  for (const char* key : {"model", "pre", "tokens", "token_type", "merges", "eos_token_id"}) {
    const std::string name = std::string("tokenizer.ggml.") + key;
    EXPECT_THAT(refusal(without(pairs, name)), HasSubstr(name));
    EXPECT_THAT(refusal(with(pairs, name, 3.5)), HasSubstr(name));
  }
  for (const char* key : {"scores", "token_type", "tokens"}) {
    const std::string name = std::string("tokenizer.ggml.") + key;
    EXPECT_THAT(refusal(without(pieces, name)), HasSubstr(name));
  }
}

TEST(GgufTokenizer, RefusesKeysThatContradictEachOther) {
  const auto pairs = gguf_vocabulary(recorded_tokenizer("gpt2"));
  EXPECT_THAT(refusal(with(pairs, "tokenizer.ggml.eos_token_id", uint32_t{100'000})), HasSubstr("100000"));
  EXPECT_THAT(refusal(with(pairs, "tokenizer.ggml.token_type", GgufArray(std::vector<int32_t>{1, 1}))),
              HasSubstr("2 elements"));
  EXPECT_THAT(refusal(with(pairs, "tokenizer.ggml.merges", GgufArray(std::vector<std::string>{"zzz qqq"}))),
              HasSubstr("unknown token"));
  EXPECT_THAT(refusal(with(pairs, "tokenizer.ggml.merges", GgufArray(std::vector<std::string>{"ab"}))),
              HasSubstr("pair"));
}

}  // namespace
}  // namespace pretrain::test
