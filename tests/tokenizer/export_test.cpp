// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/export.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/tokenizer/reference_segmenter.h"
#include "tests/tokenizer/sample_models.h"

namespace pretrain {
namespace {

using nlohmann::json;
using Kind = ModelPiece::Kind;

TEST(Export, GivesTheSameIdsByTheRulesOfTheOtherLibrary) {
  for (const TokenizerType type : test::kAllTypes) {
    const Tokenizer& tokenizer = test::sample_tokenizer(type);
    const json exported = json::parse(hugging_face_tokenizer_json(tokenizer));
    for (size_t i = 0; i < 12; ++i) {
      const std::string& text = test::sample_documents()[i];
      EXPECT_EQ(test::segment_by_json(exported, text), test::encode(tokenizer, text)) << text;
    }
  }
}

TEST(Export, GivesTheSameIdsForUnseenText) {
  Rng rng(17);
  for (const TokenizerType type : test::kAllTypes) {
    const Tokenizer& tokenizer = test::sample_tokenizer(type);
    const json exported = json::parse(hugging_face_tokenizer_json(tokenizer));
    for (int round = 0; round < 60; ++round) {
      const std::string text = test::random_text(rng, 40);
      if (text.find(kBlankMark) != std::string::npos) continue;  // documented in the header
      ASSERT_EQ(test::segment_by_json(exported, text), test::encode(tokenizer, text)) << text;
    }
  }
}

TEST(Export, GivesTheIdsOfTheTextForTheNamesOfPieces) {
  for (const TokenizerType type : test::kAllTypes) {
    const Tokenizer& tokenizer = test::sample_tokenizer(type);
    const json exported = json::parse(hugging_face_tokenizer_json(tokenizer));
    for (const char* text :
         {"a<|endoftext|>b", "<|unk|>", "<0x41>", "one <0x0A><0xFF> two", "<|endoftext|", "||>><<"})
      EXPECT_EQ(test::segment_by_json(exported, text), test::encode(tokenizer, text)) << text;
  }
}

TEST(Export, HoldsEveryPieceUnderItsId) {
  for (const TokenizerType type : test::kAllTypes) {
    const Tokenizer& tokenizer = test::sample_tokenizer(type);
    const json model = json::parse(hugging_face_tokenizer_json(tokenizer))["model"];
    ASSERT_EQ(model["vocab"].size(), tokenizer.vocabulary_size());
    for (uint32_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
      if (type == TokenizerType::kUnigram) {
        EXPECT_EQ(model["vocab"][id][0], tokenizer.piece(id));
      } else {
        EXPECT_EQ(model["vocab"][tokenizer.piece(id)], id);
      }
    }
  }
}

TEST(Export, DeclaresTheSpecialPieces) {
  const json exported = json::parse(hugging_face_tokenizer_json(test::sample_tokenizer(TokenizerType::kBpe)));
  ASSERT_EQ(exported["added_tokens"].size(), 2u);
  EXPECT_EQ(exported["added_tokens"][0]["content"], "<|unk|>");
  EXPECT_EQ(exported["added_tokens"][1]["content"], "<|endoftext|>");
  EXPECT_EQ(exported["added_tokens"][1]["id"], 1);
  EXPECT_TRUE(exported["added_tokens"][1]["special"]);
}

TEST(Export, MergesInTheOrderOfScores) {
  const Tokenizer& tokenizer = test::sample_tokenizer(TokenizerType::kBpe);
  const json model = json::parse(hugging_face_tokenizer_json(tokenizer))["model"];
  float last = 1;
  for (const json& merge : model["merges"]) {
    const uint32_t id = model["vocab"][merge[0].get<std::string>() + merge[1].get<std::string>()];
    EXPECT_LE(tokenizer.model().pieces[id].score, last);
    last = tokenizer.model().pieces[id].score;
  }
  EXPECT_GT(model["merges"].size(), 500u);
}

TEST(Export, SplitsAtBlanksOnlyWhereNoPieceSpansOne) {
  const Tokenizer& tokenizer = test::sample_tokenizer(TokenizerType::kBpe);
  EXPECT_EQ(json::parse(hugging_face_tokenizer_json(tokenizer))["pre_tokenizer"]["type"], "Split");
  ModelProto model = tokenizer.model();
  model.pieces.push_back({.text = "of\xE2\x96\x81the", .score = -5000});
  const Tokenizer spanning = Tokenizer::from_serialized(serialize_model_proto(model));
  EXPECT_TRUE(json::parse(hugging_face_tokenizer_json(spanning))["pre_tokenizer"].is_null());
}

/// The cut around characters that a unigram model does not know, or null.
json unknown_cut(const Tokenizer& tokenizer) {
  const json cut = json::parse(hugging_face_tokenizer_json(tokenizer))["pre_tokenizer"];
  return cut["type"] == "Sequence" ? cut["pretokenizers"][0] : json();
}

TEST(Export, OfUnigramCutsAroundCharactersOfNamesThatNoPieceHolds) {
  const auto cut_without = [](const std::string& characters) {
    ModelProto model = test::sample_tokenizer(TokenizerType::kUnigram).model();
    std::erase_if(model.pieces, [&](const ModelPiece& piece) {
      return piece.kind == Kind::kNormal && piece.text.find_first_of(characters) != std::string::npos;
    });
    const Tokenizer tokenizer = Tokenizer::from_serialized(serialize_model_proto(model));
    return unknown_cut(tokenizer);
  };
  for (const std::string& characters : {std::string("<|"), std::string("x")}) {
    const json cut = cut_without(characters);
    EXPECT_EQ(cut.at("behavior"), "Isolated");
    const std::string any = cut.at("pattern").at("Regex");
    for (const char c : characters)
      EXPECT_NE(any.find(fmt::format("\\x{:02X}", static_cast<unsigned char>(c))), std::string::npos) << any;
  }
}

TEST(Export, OfOtherTypesCutsAroundNoCharacter) {
  for (const TokenizerType type : {TokenizerType::kBpe, TokenizerType::kChar})
    EXPECT_TRUE(unknown_cut(test::sample_tokenizer(type)).is_null());
}

TEST(Export, ConfiguresTheTokenizerClass) {
  const Tokenizer& tokenizer = test::sample_tokenizer(TokenizerType::kChar);
  const json config = json::parse(hugging_face_tokenizer_config(tokenizer, 256));
  EXPECT_EQ(config["tokenizer_class"], "PreTrainedTokenizerFast");
  EXPECT_EQ(config["model_max_length"], 256);
  EXPECT_EQ(config["eos_token"], "<|endoftext|>");
  EXPECT_FALSE(config["clean_up_tokenization_spaces"]);
  EXPECT_FALSE(config.contains("bos_token"));
  EXPECT_EQ(config["model_input_names"], json({"input_ids", "attention_mask"}))
      << "no token_type_ids for GPT-2";
  EXPECT_EQ(config["split_special_tokens"], true) << "the name of a special piece in a text is text";
}

}  // namespace
}  // namespace pretrain
