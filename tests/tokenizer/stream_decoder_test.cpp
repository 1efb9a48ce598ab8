// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/stream_decoder.h"

#include <gtest/gtest.h>

#include "libs/base/utf8.h"
#include "tests/tokenizer/sample_models.h"

namespace pretrain {
namespace {

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Character character = read_utf8(text);
    if (character.state != Utf8Character::State::kValid) return false;
    text.remove_prefix(character.bytes);
  }
  return true;
}

uint32_t byte_id(unsigned byte) {
  return 2 + byte;
}

TEST(StreamDecoder, HoldsBackAnUnfinishedCharacter) {
  StreamDecoder decoder(test::sample_tokenizer(TokenizerType::kBpe));
  EXPECT_EQ(decoder.push(byte_id(0xF0)), "");
  EXPECT_EQ(decoder.push(byte_id(0x9F)), "");
  EXPECT_EQ(decoder.push(byte_id(0x98)), "");
  EXPECT_EQ(decoder.push(byte_id(0x80)), "😀");
  EXPECT_EQ(decoder.flush(), "");
}

TEST(StreamDecoder, ReplacesBytesThatStayUnfinished) {
  StreamDecoder decoder(test::sample_tokenizer(TokenizerType::kBpe));
  EXPECT_EQ(decoder.push(byte_id(0xE2)), "");
  EXPECT_EQ(decoder.push(byte_id('x')), "\xEF\xBF\xBDx");
  EXPECT_EQ(decoder.push(byte_id(0xC3)), "");
  EXPECT_EQ(decoder.flush(), "\xEF\xBF\xBD");
  EXPECT_EQ(decoder.push(byte_id(0xA9)), "\xEF\xBF\xBD") << "flush() starts afresh";
}

TEST(StreamDecoder, GivesWhatDecodeGivesForAnyIds) {
  Rng rng(11);
  for (const TokenizerType type : test::kAllTypes) {
    const Tokenizer& tokenizer = test::sample_tokenizer(type);
    for (int round = 0; round < 200; ++round) {
      std::vector<uint32_t> ids(rng.below(40));
      for (uint32_t& id : ids) {
        id = static_cast<uint32_t>(rng.below(rng.below(2) == 0 ? 258 : tokenizer.vocabulary_size()));
      }
      StreamDecoder decoder(tokenizer);
      std::string text;
      for (const uint32_t id : ids) {
        const std::string part = decoder.push(id);
        ASSERT_TRUE(is_valid_utf8(part));
        text += part;
      }
      ASSERT_EQ(text + decoder.flush(), tokenizer.decode(ids)) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace pretrain
