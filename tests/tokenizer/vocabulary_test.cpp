// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/vocabulary.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include "libs/base/error.h"
#include "tests/support/temp_folder.h"
#include "tests/tokenizer/sample_models.h"

namespace pretrain {
namespace {

using test::kAllTypes;
using test::sample_documents;

std::string train(const std::vector<std::string>& documents, TokenizerType type, uint32_t pieces = 1200) {
  return train_vocabulary(documents, {.type = type, .pieces = pieces}, {}, {});
}

/// Binds this thread, and the children that it forks, to one processor.
class OneProcessor {
 public:
  OneProcessor() {
    sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    int first = 0;
    while (!CPU_ISSET(first, &before_)) ++first;
    CPU_SET(first, &one);
    sched_setaffinity(0, sizeof one, &one);
  }
  ~OneProcessor() { sched_setaffinity(0, sizeof before_, &before_); }
  OneProcessor(const OneProcessor&) = delete;
  OneProcessor& operator=(const OneProcessor&) = delete;

 private:
  cpu_set_t before_;
};

TEST(Vocabulary, IsTheSameOnAnyNumberOfProcessors) {
  for (const TokenizerType type : kAllTypes) {
    const std::string first = train(sample_documents(), type);
    EXPECT_EQ(train(sample_documents(), type), first) << tokenizer_type_name(type);
    const OneProcessor bound;
    EXPECT_EQ(train(sample_documents(), type), first) << tokenizer_type_name(type);
  }
}

TEST(Vocabulary, DependsOnTheText) {
  std::vector<std::string> documents = sample_documents();
  for (int i = 0; i < 100; ++i) documents.emplace_back("zyzzyva zyzzyvas");
  EXPECT_NE(train(documents, TokenizerType::kBpe), train(sample_documents(), TokenizerType::kBpe));
}

TEST(Vocabulary, HasThePiecesAskedForWhenTheTextSupportsThem) {
  EXPECT_EQ(Tokenizer::from_serialized(train(sample_documents(), TokenizerType::kBpe, 700)).vocabulary_size(),
            700u);
  EXPECT_EQ(
      Tokenizer::from_serialized(train(sample_documents(), TokenizerType::kUnigram, 700)).vocabulary_size(),
      700u);
}

TEST(Vocabulary, IsSmallerForSmallText) {
  for (const TokenizerType type : kAllTypes) {
    const Tokenizer tokenizer = Tokenizer::from_serialized(train({"to be or not to be"}, type, 16000));
    EXPECT_LT(tokenizer.vocabulary_size(), 300u) << tokenizer_type_name(type);
    EXPECT_EQ(tokenizer.decode(test::encode(tokenizer, "be to or 日本\n")), "be to or 日本\n");
  }
}

TEST(Vocabulary, ComesFromTheOddestTexts) {
  for (const char* text :
       {"a", "1", "日", "12 34 1999", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a1b2あ3", " x ", "x\n"}) {
    for (const TokenizerType type : kAllTypes) {
      const Tokenizer tokenizer = Tokenizer::from_serialized(train({text}, type));
      EXPECT_EQ(tokenizer.decode(test::encode(tokenizer, " any x text")), " any x text") << text;
    }
  }
}

TEST(Vocabulary, OfUnigramTypeHasScoresThatAddUpExactly) {
  for (const ModelPiece& piece : test::sample_tokenizer(TokenizerType::kUnigram).model().pieces) {
    EXPECT_EQ(piece.score * 256, std::trunc(piece.score * 256)) << piece.text;
  }
}

TEST(Vocabulary, FitsALargeAlphabetIntoFewPieces) {
  std::string text;
  for (uint32_t code_point = 0x4E00; code_point < 0x5800; ++code_point)
    text += test::to_utf8(code_point) + "的 ";
  for (const TokenizerType type : kAllTypes) {
    const Tokenizer tokenizer = Tokenizer::from_serialized(train({text, text}, type, 400));
    EXPECT_LE(tokenizer.vocabulary_size(), 400u);
    EXPECT_EQ(tokenizer.decode(test::encode(tokenizer, text)), text);
  }
}

TEST(Vocabulary, OfCharactersHoldsAllOfTinyShakespeare) {
  const auto folder = test::real_data_folder();
  if (!folder) GTEST_SKIP() << "no real data; set PRETRAIN_TEST_DATA";
  const std::string text = read_file(*folder / "tinyshakespeare" / "input.txt");
  const Tokenizer tokenizer = Tokenizer::from_serialized(train({text}, TokenizerType::kChar, 16000));
  // 65 characters, of which the line end is a byte piece.
  EXPECT_EQ(tokenizer.vocabulary_size(), 258u + 64);
  const std::vector<uint32_t> ids = test::encode(tokenizer, text);
  EXPECT_EQ(ids.size(), text.size());
  EXPECT_EQ(tokenizer.decode(ids), text);
}

TEST(Vocabulary, TellsItsProgress) {
  std::vector<std::string> lines;
  train_vocabulary(sample_documents(), {.pieces = 1200}, [&](std::string line) { lines.push_back(line); },
                   {});
  EXPECT_THAT(lines, ::testing::Contains(::testing::MatchesRegex("vocabulary: [0-9,]+ of 1,200 pieces")));
  EXPECT_LE(lines.size(), 25u);
  for (const std::string& line : lines) EXPECT_THAT(line, ::testing::StartsWith("vocabulary: "));
}

TEST(Vocabulary, StopsAtOnce) {
  std::stop_source stop;
  const auto stop_at_first_line = [&](const std::string&) { stop.request_stop(); };
  EXPECT_THROW(train_vocabulary(sample_documents(), {}, stop_at_first_line, stop.get_token()), Stopped);
}

TEST(Vocabulary, NeedsText) {
  for (const std::vector<std::string>& documents :
       {std::vector<std::string>{}, std::vector<std::string>{"", "\n \t"}}) {
    try {
      train(documents, TokenizerType::kBpe);
      FAIL() << "trained on nothing";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
    }
  }
}

TEST(Vocabulary, RefusesToBeTooSmall) {
  try {
    train(sample_documents(), TokenizerType::kBpe, 200);
    FAIL() << "trained 200 pieces";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
  }
}

}  // namespace
}  // namespace pretrain
