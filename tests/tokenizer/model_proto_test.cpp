// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/model_proto.h"

#include <functional>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "tests/tokenizer/sample_models.h"

namespace pretrain {
namespace {

using Kind = ModelPiece::Kind;

/// What parse_model_proto says of the sample model after a change; empty when it accepts it.
std::string refusal(const std::function<void(ModelProto&)>& change, const std::string& appended = {}) {
  ModelProto model = test::sample_tokenizer(TokenizerType::kBpe).model();
  change(model);
  try {
    parse_model_proto(serialize_model_proto(model) + appended);
    return {};
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    return error.what();
  }
}

const auto kUnchanged = [](ModelProto&) {};

TEST(ModelProto, ReadsWhatItWrites) {
  for (const TokenizerType type : test::kAllTypes) {
    const ModelProto& model = test::sample_tokenizer(type).model();
    const ModelProto read = parse_model_proto(serialize_model_proto(model));
    EXPECT_EQ(read.type, type);
    ASSERT_EQ(read.pieces.size(), model.pieces.size());
    for (size_t id = 0; id < model.pieces.size(); ++id) {
      EXPECT_EQ(read.pieces[id].text, model.pieces[id].text);
      EXPECT_EQ(read.pieces[id].score, model.pieces[id].score);
      EXPECT_EQ(read.pieces[id].kind, model.pieces[id].kind);
    }
    EXPECT_EQ(serialize_model_proto(read), serialize_model_proto(model));
  }
}

TEST(ModelProto, RefusesModelsThatChangeText) {
  EXPECT_EQ(refusal(kUnchanged), "");
  const auto says_so = ::testing::HasSubstr("changes the text");
  EXPECT_THAT(refusal([](ModelProto& model) { model.add_dummy_prefix = true; }), says_so);
  EXPECT_THAT(refusal([](ModelProto& model) { model.remove_extra_whitespaces = true; }), says_so);
  EXPECT_THAT(refusal([](ModelProto& model) { model.escape_whitespaces = false; }), says_so);
  const std::string normalizer_rules = "\x1a\x03\x12\x01x";
  const std::string denormalizer_rules = "\x2a\x03\x12\x01x";
  const std::string whitespace_as_suffix = "\x12\x03\xc0\x01\x01";
  EXPECT_THAT(refusal(kUnchanged, normalizer_rules), says_so);
  EXPECT_THAT(refusal(kUnchanged, denormalizer_rules), says_so);
  EXPECT_THAT(refusal(kUnchanged, whitespace_as_suffix), says_so);
}

TEST(ModelProto, LeavesOutWhatChangesTextAndAddsTheBytes) {
  for (const TokenizerType type : test::kAllTypes) {
    ModelProto model = test::sample_tokenizer(type).model();
    std::erase_if(model.pieces, [](const ModelPiece& piece) { return piece.kind == Kind::kByte; });
    model.byte_fallback = false;
    model.add_dummy_prefix = model.remove_extra_whitespaces = true;
    const std::string changing = serialize_model_proto(model) + "\x1a\x03\x12\x01x" + "\x12\x03\xc0\x01\x01";
    EXPECT_THROW(parse_model_proto(changing), Error);
    const ModelProto kept = parse_model_proto(changing, TextChanges::kLeaveOut);
    ASSERT_EQ(kept.pieces.size(), model.pieces.size() + 256);
    for (size_t id = 0; id < model.pieces.size(); ++id)
      EXPECT_EQ(kept.pieces[id].text, model.pieces[id].text);
    EXPECT_EQ(kept.pieces.back().text, "<0xFF>");
    EXPECT_EQ(kept.pieces.back().kind, Kind::kByte);
    EXPECT_EQ(parse_model_proto(serialize_model_proto(kept)).pieces.size(), kept.pieces.size());
  }
}

TEST(ModelProto, LeavesOutNothingElse) {
  const auto leave_out = [](const std::function<void(ModelProto&)>& change) {
    ModelProto model = test::sample_tokenizer(TokenizerType::kBpe).model();
    change(model);
    parse_model_proto(serialize_model_proto(model), TextChanges::kLeaveOut);
  };
  EXPECT_NO_THROW(leave_out(kUnchanged));
  EXPECT_THROW(leave_out([](ModelProto& model) { model.pieces.back().kind = Kind::kUserDefined; }), Error);
  EXPECT_THROW(leave_out([](ModelProto& model) { model.pieces.back().text = ""; }), Error);
  EXPECT_THROW(leave_out([](ModelProto& model) {
                 std::erase_if(model.pieces, [](auto& piece) { return piece.kind == Kind::kControl; });
               }),
               Error);
}

TEST(ModelProto, RefusesModelsWithoutAPieceForEveryByte) {
  const auto says_so = ::testing::HasSubstr("byte_fallback");
  EXPECT_THAT(refusal([](ModelProto& model) { model.byte_fallback = false; }), says_so);
  EXPECT_THAT(refusal([](ModelProto& model) { model.pieces.erase(model.pieces.begin() + 100); }), says_so);
}

TEST(ModelProto, RefusesModelsWithoutTheSpecialPieces) {
  const auto drop = [](Kind kind) {
    return [kind](ModelProto& model) {
      std::erase_if(model.pieces, [&](auto& piece) { return piece.kind == kind; });
    };
  };
  EXPECT_THAT(refusal(drop(Kind::kUnknown)), ::testing::HasSubstr("unknown piece"));
  EXPECT_THAT(refusal(drop(Kind::kControl)), ::testing::HasSubstr("end-of-text"));
  EXPECT_THAT(refusal([](ModelProto& model) {
                std::erase_if(model.pieces, [](auto& piece) { return piece.text == kBlankMark; });
              }),
              ::testing::HasSubstr("blank"));
}

TEST(ModelProto, RefusesDamagedPieces) {
  const auto damaged = ::testing::HasSubstr("damaged");
  const auto last = [](const std::string& text) {
    return [text](ModelProto& model) { model.pieces.back().text = text; };
  };
  EXPECT_THAT(refusal(last("")), damaged);
  EXPECT_THAT(refusal(last("\xE2\x96")), damaged);
  EXPECT_THAT(refusal(last(std::string(1, '\0'))), damaged);
  EXPECT_THAT(refusal(last("<0x41>")), damaged);
  EXPECT_THAT(refusal(last(std::string(513, 'x'))), damaged);
  EXPECT_EQ(refusal(last(std::string(512, 'x'))), "");
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(refusal([](ModelProto& model) { model.pieces.back().score = kNan; }), damaged);
  EXPECT_THAT(refusal([](ModelProto& model) { model.pieces.back().kind = Kind::kByte; }), damaged);
}

TEST(ModelProto, RefusesUnsupportedModels) {
  EXPECT_THAT(refusal(kUnchanged, "\x12\x02\x18\x03"), ::testing::HasSubstr("type 3"));
  EXPECT_THAT(refusal([](ModelProto& model) { model.pieces.back().kind = Kind::kUserDefined; }),
              ::testing::HasSubstr("user-defined"));
}

TEST(ModelProto, RefusesWhatIsNoMessage) {
  for (const std::string& bytes : {std::string(), std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                                   std::string("\x0b"), std::string("\x00", 1), std::string(20, '\xff')}) {
    EXPECT_THROW(parse_model_proto(bytes), Error) << ::testing::PrintToString(bytes);
  }
}

/// The defaults of the settings, which come after the pieces, change the text; to leave that out would hide the damage.
TEST(ModelProto, RefusesAFileThatEndsBetweenPiecesAsDamaged) {
  const std::string whole = test::sample_tokenizer(TokenizerType::kBpe).serialized();
  for (const TextChanges changes : {TextChanges::kRefuse, TextChanges::kLeaveOut}) {
    for (size_t size = 2; size < whole.size(); size += static_cast<unsigned char>(whole[size - 1]) + 2U) {
      if (whole[size - 2] != '\x0a') break;  // no piece comes next
      if (size == 2) continue;
      try {
        parse_model_proto(whole.substr(0, size - 2), changes);
        ADD_FAILURE() << size;
      } catch (const Error& error) {
        EXPECT_THAT(error.what(),
                    ::testing::HasSubstr("damaged or not a SentencePiece model (it ends early)"));
      }
    }
  }
}

TEST(ModelProto, KnowsByteNames) {
  EXPECT_EQ(byte_of_piece("<0x00>"), 0);
  EXPECT_EQ(byte_of_piece("<0xAF>"), 0xAF);
  for (const char* text : {"", "<0xaf>", "<0xAG>", "<0xA>", "<0xAFF>", "x0xAF>"})
    EXPECT_EQ(byte_of_piece(text), -1);
}

}  // namespace
}  // namespace pretrain
