// SPDX-License-Identifier: Apache-2.0
// Byte-level vocabularies against recordings of the library `tokenizers`.

#include <functional>
#include <string>

#include <gmock/gmock.h>

#include "libs/base/error.h"
#include "tests/tokenizer/byte_pairs_testing.h"
#include "tests/tokenizer/sample_models.h"
#include "tokenizer/byte_pair_model.h"
#include "tokenizer/composition.h"
#include "tokenizer/export.h"
#include "tokenizer/stream_decoder.h"

namespace pretrain::test {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

class BytePairs : public testing::TestWithParam<const char*> {
 protected:
  const Tokenizer tokenizer_ = recorded_tokenizer(GetParam());
};

TEST_P(BytePairs, EncodesAsTheLibraryDoes) {
  size_t texts = 0;
  for (const Json& line : recorded_lines(GetParam())) {
    if (!line.contains("text")) continue;
    ++texts;
    EXPECT_EQ(encode(tokenizer_, line["text"].get<std::string>()), line["ids"].get<std::vector<uint32_t>>())
        << line["text"];
  }
  EXPECT_GT(texts, 100U);
}

TEST_P(BytePairs, DecodesAsTheLibraryDoes) {
  for (const Json& line : recorded_lines(GetParam()))
    EXPECT_EQ(tokenizer_.decode(line["ids"].get<std::vector<uint32_t>>()), line["decoded"].get<std::string>())
        << line;
}

TEST_P(BytePairs, AStreamGivesTheSameText) {
  for (const Json& line : recorded_lines(GetParam())) {
    const auto ids = line["ids"].get<std::vector<uint32_t>>();
    StreamDecoder decoder(tokenizer_);
    std::string text;
    for (const uint32_t id : ids) text += decoder.push(id);
    EXPECT_EQ(text + decoder.flush(), tokenizer_.decode(ids)) << line;
  }
}

TEST_P(BytePairs, AnyTextSurvives) {
  const bool is_composed = tokenizer_.byte_pairs()->is_composed;
  Rng rng(11);
  for (int i = 0; i < 2000; ++i) {
    const std::string text = random_text(rng, 60);
    ASSERT_EQ(tokenizer_.decode(encode(tokenizer_, text)), is_composed ? composed(text) : text) << i;
  }
}

TEST_P(BytePairs, IdsOfTextAreNeverThoseOfSpecialTokens) {
  for (const BytePairToken& token : tokenizer_.byte_pairs()->tokens) {
    if (token.kind != BytePairToken::Kind::kSpecial) continue;
    const auto ids = encode(tokenizer_, token.name);
    EXPECT_GT(ids.size(), 1U) << token.name;
    EXPECT_EQ(tokenizer_.decode(ids), token.name);
  }
  EXPECT_EQ(tokenizer_.decode(std::vector<uint32_t>{tokenizer_.end_of_text()}), "");
}

TEST_P(BytePairs, BadBytesBecomeReplacementCharacters) {
  EXPECT_EQ(tokenizer_.decode(encode(tokenizer_, "a\xFFz\xC3")), "a\xEF\xBF\xBDz\xEF\xBF\xBD");
}

TEST_P(BytePairs, AreWrittenAsTheyAreRead) {
  const Tokenizer again = Tokenizer::from_serialized(tokenizer_.serialized());
  EXPECT_EQ(again.serialized(), tokenizer_.serialized());
  EXPECT_EQ(again.hash(), tokenizer_.hash());
  EXPECT_EQ(again.end_of_text(), tokenizer_.end_of_text());
  const Tokenizer exported = Tokenizer::from_serialized(hugging_face_tokenizer_json(tokenizer_));
  EXPECT_EQ(exported.hash(), tokenizer_.hash());
  const Json written = Json::parse(hugging_face_tokenizer_json(tokenizer_));
  const Json original = Json::parse(recorded(std::string(GetParam()) + ".json"));
  EXPECT_EQ(written["model"]["vocab"], original["model"]["vocab"]);
  EXPECT_EQ(written["model"]["merges"], original["model"]["merges"]);
  EXPECT_EQ(written["added_tokens"], original["added_tokens"]);
  EXPECT_FALSE(written.contains("end_of_text")) << "other programs don't know it";
}

/// A word of any length takes O(n log n), a run of marks likewise: with a square of it this would take hours.
TEST_P(BytePairs, LongWordsAreEncoded) {
  constexpr size_t kLength = 100'000;
  for (const std::string part : {"a", " ", "\n", "\xE6\xBC\xA2", "\xCC\xA3\xCC\x81", "1"}) {
    std::string text;
    while (text.size() < kLength) text += part;
    const std::string kept = tokenizer_.byte_pairs()->is_composed ? composed(text) : text;
    EXPECT_TRUE(tokenizer_.decode(encode(tokenizer_, text)) == kept) << part;
  }
}

TEST_P(BytePairs, UnusedTokensFillTheRowsOfAModel) {
  BytePairModel model = *tokenizer_.byte_pairs();
  const auto before = static_cast<uint32_t>(model.tokens.size());
  pad_vocabulary(model, before + 10);
  const Tokenizer padded = Tokenizer::from_serialized(Tokenizer::from_byte_pairs(model).serialized());
  EXPECT_EQ(padded.vocabulary_size(), before + 10);
  EXPECT_EQ(padded.bytes_of(before + 9), "");
  EXPECT_NE(padded.piece(before), padded.piece(before + 1));
  EXPECT_NE(padded.hash(), tokenizer_.hash());
  EXPECT_EQ(encode(padded, "The capital"), encode(tokenizer_, "The capital"));
  EXPECT_GT(encode(padded, padded.piece(before)).size(), 1U) << "its name in a text is text";
}

INSTANTIATE_TEST_SUITE_P(Kinds, BytePairs, testing::ValuesIn(kBytePairKinds),
                         [](const auto& kind) { return std::string(kind.param); });

/// The recorded vocabulary with a change.
std::string changed(const std::function<void(Json&)>& change, const std::string& kind = "qwen2") {
  Json json = Json::parse(recorded(kind + ".json"));
  change(json);
  return json.dump();
}

std::string refusal(const std::string& text, const EndOfText& end_of_text = {}) {
  try {
    parse_tokenizer_json(text, end_of_text);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos);
    return error.what();
  }
  return "";
}

TEST(BytePairModel, WhatWouldEncodeOtherwiseIsRefusedByName) {
  const auto expect = [](const std::function<void(Json&)>& change, const std::string& name) {
    EXPECT_THAT(refusal(changed(change)), HasSubstr(name));
  };
  expect([](Json& j) { j["model"]["type"] = "WordPiece"; }, "WordPiece");
  expect([](Json& j) { j["model"]["continuing_subword_prefix"] = "##"; }, "continuing_subword_prefix");
  expect([](Json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }, "end_of_word_suffix");
  expect([](Json& j) { j["model"]["dropout"] = 0.1; }, "dropout");
  expect([](Json& j) { j["model"].erase("merges"); }, "merges");
  expect([](Json& j) { j["model"]["merges"].push_back("a"); }, "pair");
  expect([](Json& j) { j["model"]["merges"].push_back({"q", "qq"}); }, "unknown token");
  expect([](Json& j) { j["model"]["vocab"].erase("a"); }, "ids of its tokens");
  expect([](Json& j) { j["model"]["vocab"]["a"] = 1 << 30; }, "an id");
  expect([](Json& j) { j["model"]["vocab"]["a"] = j["model"]["vocab"]["b"]; }, "ids of its tokens");
  expect([](Json& j) { j["normalizer"] = {{"type", "NFKC"}}; }, "NFKC");
  expect([](Json& j) { j["normalizer"] = {{"type", "Lowercase"}}; }, "Lowercase");
  expect([](Json& j) { j["pre_tokenizer"] = nullptr; }, "pre-tokenizer");
  expect([](Json& j) { j["pre_tokenizer"] = {{"type", "Metaspace"}}; }, "Metaspace");
  expect([](Json& j) { j["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "(a|a)*b"; }, "(a|a)*b");
  expect([](Json& j) { j["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Removed"; }, "Removed");
  expect([](Json& j) { j["pre_tokenizer"]["pretokenizers"][0]["invert"] = true; }, "invert");
  expect([](Json& j) { j["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true; },
         "add_prefix_space");
  expect([](Json& j) { j["pre_tokenizer"]["pretokenizers"].erase(1); }, "pre-tokenizer");
  expect([](Json& j) { j["added_tokens"][2]["lstrip"] = true; }, "lstrip");
  expect([](Json& j) { j["added_tokens"][2]["id"] = 7; }, "another id");
  expect([](Json& j) { j["added_tokens"][2]["content"] = ""; }, "0 bytes");
}

TEST(BytePairModel, NeedsEveryByte) {
  EXPECT_THAT(refusal(changed([](Json& j) {
                // The name of a byte that no merge has.
                auto& vocabulary = j["model"]["vocab"];
                const Json id = vocabulary["\u0143"];
                vocabulary.erase("\u0143");
                vocabulary["abracadabra"] = id;
              })),
              HasSubstr("255 of the 256 bytes"));
}

TEST(BytePairModel, ADocumentEndsWithTheTokenThatIsNamed) {
  const std::string json = recorded("qwen2.json");
  const auto id_of = [&](const EndOfText& end) {
    const BytePairModel model = parse_tokenizer_json(json, end);
    return model.tokens[model.end_of_text].name;
  };
  EXPECT_EQ(id_of({}), "<|endoftext|>");
  EXPECT_EQ(id_of({.name = "<|im_start|>", .id = {}}), "<|im_start|>");
  EXPECT_EQ(id_of({.name = "", .id = 421}), "<|im_start|>");
  EXPECT_THAT(refusal(json, {.name = "", .id = 0}), HasSubstr("special token ! is a part of text"));
  EXPECT_THAT(refusal(json, {.name = "</s>", .id = {}}),
              testing::AllOf(HasSubstr("</s>"), HasSubstr("eos_token")));
  EXPECT_THAT(refusal(json, {.name = "", .id = 99'999}), HasSubstr("eos_token_id"));
}

TEST(BytePairModel, BothSpellingsOfMergesAreRead) {
  const std::string strings = changed([](Json& j) {
    for (Json& merge : j["model"]["merges"])
      merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
    j["model"]["merges"].insert(j["model"]["merges"].begin(), "#version: 0.2");
  });
  EXPECT_EQ(parse_tokenizer_json(strings).merges, parse_tokenizer_json(recorded("qwen2.json")).merges);
}

/// An error of one line or a vocabulary, whatever is cut off or changed.
TEST(BytePairModel, DamageIsNoticedOrHarmless) {
  const std::string whole = changed([](Json&) {}, "gpt2");
  for (size_t bytes = 0; bytes < whole.size(); bytes += 41)
    EXPECT_NE(refusal(whole.substr(0, bytes)), "") << bytes;
  Rng rng(5);
  for (int i = 0; i < 300; ++i) {
    std::string text = whole;
    text[rng.below(text.size())] = static_cast<char>(rng.below(256));
    refusal(text);
  }
}

TEST(BytePairModel, IsNoCopyOfASentencePieceModel) {
  const std::string copy = hugging_face_tokenizer_json(sample_tokenizer(TokenizerType::kBpe));
  try {
    parse_tokenizer_json(copy);
    FAIL() << "accepted";
  } catch (const NotByteLevel& error) {
    EXPECT_TRUE(error.is_of_pieces());
  }
}

TEST(Composition, IsThatOfTheLibrary) {
  EXPECT_EQ(composed("e\u0301"), "\u00e9");
  EXPECT_EQ(composed("\u1100\u1161\u11a8"), "\uac01");
  EXPECT_EQ(composed("\u212b"), "\u00c5");
  EXPECT_EQ(composed("a\u0323\u0301"), composed("a\u0301\u0323"));
  EXPECT_EQ(composed("s\u0331\u1dfa"), "s\u0331\u1dfa") << "a mark that is newer stays where it is";
  EXPECT_EQ(composed("abc \u00e9 \u6f22"), "abc \u00e9 \u6f22");
  EXPECT_EQ(composed(""), "");
}

}  // namespace
}  // namespace pretrain::test
