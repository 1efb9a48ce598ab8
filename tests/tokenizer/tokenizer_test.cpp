// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/tokenizer.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/base/hash.h"
#include "tests/support/temp_folder.h"
#include "tests/tokenizer/sample_models.h"

namespace pretrain {
namespace {

using test::encode;
using test::kAllTypes;
using test::sample_tokenizer;

void expect_round_trip(const Tokenizer& tokenizer, std::string_view text) {
  const std::vector<uint32_t> ids = encode(tokenizer, text);
  ASSERT_EQ(tokenizer.decode(ids), text) << tokenizer_type_name(tokenizer.type());
  for (const uint32_t id : ids) {
    const auto kind = tokenizer.model().pieces.at(id).kind;
    ASSERT_TRUE(kind == ModelPiece::Kind::kNormal || kind == ModelPiece::Kind::kByte) << tokenizer.piece(id);
  }
}

TEST(Tokenizer, KeepsWhitespaceMarksAndControlCharacters) {
  using namespace std::string_view_literals;
  for (const TokenizerType type : kAllTypes) {
    for (const std::string_view text :
         {""sv, " "sv, "   "sv, "  two  blanks  "sv, "\n"sv, "\n\n\n"sv, "\t\ttabs\t"sv, "\r\n"sv, "a\0b"sv,
          "\0"sv, "\xEF\xBF\xBD"sv, "a \xE2\x96\x81 b"sv, "\xE2\x96\x81\xE2\x96\x81"sv, "\xE2\x96\x85"sv,
          "e\u0301"sv, "👩‍🚀😀"sv, "\ufeffbom"sv, "<|endoftext|> <|unk|> <0x41> <unk> </s>"sv,
          "\x7f\x1b[0m"sv}) {
      expect_round_trip(sample_tokenizer(type), text);
    }
  }
}

TEST(Tokenizer, KeepsEveryCodePoint) {
  std::string text;
  for (uint32_t code_point = 0; code_point < 0x110000; code_point += code_point < 0x3000 ? 1 : 89) {
    if (code_point < 0xD800 || code_point >= 0xE000) text += test::to_utf8(code_point);
  }
  for (const TokenizerType type : kAllTypes) expect_round_trip(sample_tokenizer(type), text);
}

TEST(Tokenizer, KeepsRandomText) {
  constexpr uint64_t kSeed = 20240501;
  Rng rng(kSeed);
  for (int i = 0; i < 1500; ++i) {
    SCOPED_TRACE(i);
    const std::string text = test::random_text(rng, 60);
    for (const TokenizerType type : kAllTypes) expect_round_trip(sample_tokenizer(type), text);
  }
}

TEST(Tokenizer, KeepsNaughtyStrings) {
  const auto folder = test::real_data_folder();
  if (!folder) GTEST_SKIP() << "no real data; set PRETRAIN_TEST_DATA";
  const std::string text = read_file(*folder / "nasty" / "blns.txt");
  for (const TokenizerType type : kAllTypes) expect_round_trip(sample_tokenizer(type), text);
}

TEST(Tokenizer, KeepsRealParagraphs) {
  const auto folder = test::real_data_folder();
  if (!folder) GTEST_SKIP() << "no real data; set PRETRAIN_TEST_DATA";
  for (const char* file : {"wikitext-2/valid.txt", "dumps/zhwiki-2018-test-pages.xml", "nasty/crlf-en.txt",
                           "dumps/page-fragments/hiwiki-pages.xml", "other-languages/arcd-arabic.json"}) {
    const std::string text = read_file(*folder / file).substr(0, 150000);
    const std::string whole = text.substr(0, text.rfind('\n'));
    for (const TokenizerType type : kAllTypes) expect_round_trip(sample_tokenizer(type), whole);
  }
}

TEST(Tokenizer, GivesTheSameIdsForWordsAndForTheWholeText) {
  Rng rng(3);
  std::string text;
  while (text.size() < 100000)
    text += " " + test::sample_documents()[rng.below(test::sample_documents().size())];
  for (const TokenizerType type : kAllTypes) {
    const Tokenizer& tokenizer = sample_tokenizer(type);
    std::vector<uint32_t> by_word;
    for (size_t start = 0; start < text.size();) {
      const size_t end = std::min(text.find(' ', start + 1), text.size());
      tokenizer.encode(std::string_view(text).substr(start, end - start), by_word);
      start = end;
    }
    EXPECT_EQ(encode(tokenizer, text), by_word) << tokenizer_type_name(type);
  }
}

TEST(Tokenizer, KeepsLongLinesWithoutBlanks) {
  std::string text;
  while (text.size() < 1000000) text += "東京は日本の首都thereisnoblankhere😀";
  for (const TokenizerType type : kAllTypes) expect_round_trip(sample_tokenizer(type), text);
}

TEST(Tokenizer, CutsLongLinesAtCharactersOnly) {
  // At each of these offsets the 16 KiB limit falls into another byte of a four-byte character.
  for (size_t shift = 0; shift < 4; ++shift) {
    std::string text(shift, 'x');
    while (text.size() < 40000) text += "😀";
    expect_round_trip(sample_tokenizer(TokenizerType::kBpe), text);
  }
}

TEST(Tokenizer, AppendsToTheIdsGiven) {
  const Tokenizer& tokenizer = sample_tokenizer(TokenizerType::kBpe);
  std::vector<uint32_t> ids = {tokenizer.end_of_text()};
  tokenizer.encode("the", ids);
  ASSERT_GE(ids.size(), 2u);
  EXPECT_EQ(ids[0], tokenizer.end_of_text());
  EXPECT_EQ(tokenizer.decode(ids), "the");
}

TEST(Tokenizer, SplitsDigits) {
  for (const TokenizerType type : kAllTypes) {
    const Tokenizer& tokenizer = sample_tokenizer(type);
    EXPECT_EQ(encode(tokenizer, "1851").size(), 4u) << tokenizer_type_name(type);
  }
}

TEST(Tokenizer, EncodesAsReplacementWhatIsNotUtf8) {
  const Tokenizer& tokenizer = sample_tokenizer(TokenizerType::kBpe);
  EXPECT_EQ(tokenizer.decode(encode(tokenizer,
                                    "a\xFF"
                                    "b")),
            "a\xEF\xBF\xBD"
            "b");
  const std::string tails(50000, '\x80');
  EXPECT_FALSE(encode(tokenizer, tails).empty());
}

TEST(Tokenizer, DecodesStrayBytesAndSpecialPiecesToValidText) {
  const Tokenizer& tokenizer = sample_tokenizer(TokenizerType::kUnigram);
  const uint32_t byte_0 = 2;
  EXPECT_EQ(tokenizer.piece(byte_0 + 0xE6), "<0xE6>");
  const std::vector<uint32_t> ids = {0, tokenizer.end_of_text(), byte_0 + 0xE6, byte_0 + 0x9D, byte_0 + 'x'};
  EXPECT_EQ(tokenizer.decode(ids), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDx");
}

TEST(Tokenizer, NamesItsSpecialPieces) {
  for (const TokenizerType type : kAllTypes) {
    const Tokenizer& tokenizer = sample_tokenizer(type);
    EXPECT_EQ(tokenizer.type(), type);
    EXPECT_EQ(tokenizer.end_of_text(), 1u);
    EXPECT_EQ(tokenizer.piece(0), "<|unk|>");
    EXPECT_EQ(tokenizer.piece(1), "<|endoftext|>");
    EXPECT_EQ(tokenizer.piece(2), "<0x00>");
    EXPECT_EQ(tokenizer.piece(257), "<0xFF>");
    EXPECT_GT(tokenizer.vocabulary_size(), 258u);
  }
}

TEST(Tokenizer, IsTheSameAfterSavingAndLoading) {
  const Tokenizer& tokenizer = sample_tokenizer(TokenizerType::kBpe);
  const test::TempFolder folder;
  const Tokenizer loaded = Tokenizer::from_file(folder.write("tokenizer.model", tokenizer.serialized()));
  EXPECT_EQ(loaded.serialized(), tokenizer.serialized());
  EXPECT_EQ(loaded.hash(), tokenizer.hash());
  EXPECT_EQ(loaded.hash(), hash128_hex(tokenizer.serialized()));
  EXPECT_EQ(encode(loaded, "The capital of"), encode(tokenizer, "The capital of"));
}

TEST(Tokenizer, WithoutItsChangesAModelPreservesEveryText) {
  const std::string plain = sample_tokenizer(TokenizerType::kBpe).serialized();
  EXPECT_EQ(Tokenizer::without_changes(plain).serialized(), plain);
  ModelProto model = sample_tokenizer(TokenizerType::kUnigram).model();
  std::erase_if(model.pieces, [](const ModelPiece& piece) { return piece.kind == ModelPiece::Kind::kByte; });
  model.byte_fallback = false;
  model.add_dummy_prefix = model.remove_extra_whitespaces = true;
  const std::string changing = serialize_model_proto(model);
  const test::TempFolder folder;
  const auto path = folder.write("tokenizer.model", changing);
  EXPECT_THROW(Tokenizer::from_file(path), Error);
  const Tokenizer tokenizer = Tokenizer::from_file(path, TextChanges::kLeaveOut);
  for (const std::string text : {"  two  blanks ", "\uff21\u0301 \t\n\n", "the capital", "\U0001F600"})
    EXPECT_EQ(tokenizer.decode(encode(tokenizer, text)), text);
  EXPECT_EQ(Tokenizer::from_serialized(tokenizer.serialized()).hash(), tokenizer.hash());
}

TEST(Tokenizer, NamesTheFileThatItCannotUse) {
  const test::TempFolder folder;
  const auto path = folder.write("broken.model", "not a model");
  try {
    Tokenizer::from_file(path);
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_THAT(error.what(), ::testing::HasSubstr(path.string()));
    EXPECT_THAT(error.what(), ::testing::Not(::testing::HasSubstr("\n")));
  }
}

TEST(Tokenizer, EncodesTheSameInManyThreads) {
  const Tokenizer& tokenizer = sample_tokenizer(TokenizerType::kUnigram);
  std::string text;
  for (const std::string& document : test::sample_documents()) text += document;
  const std::vector<uint32_t> expected = encode(tokenizer, text);
  std::vector<std::vector<uint32_t>> results(4);
  {
    std::vector<std::jthread> threads;
    for (auto& result : results) threads.emplace_back([&] { tokenizer.encode(text, result); });
  }
  for (const auto& result : results) EXPECT_EQ(result, expected);
}

}  // namespace
}  // namespace pretrain
