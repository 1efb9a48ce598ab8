// SPDX-License-Identifier: Apache-2.0
#include "libs/base/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

using State = Utf8Character::State;

TEST(Utf8, ReadsEveryCodePointThatItWritesAndFindsEachPrefixIncomplete) {
  for (uint32_t code_point = 0; code_point < 0x110000; ++code_point) {
    if (code_point == 0xD800) code_point = 0xE000;
    std::string text;
    append_utf8(code_point, text);
    const Utf8Character character = read_utf8(text + "x");
    ASSERT_EQ(character.state, State::kValid) << code_point;
    ASSERT_EQ(character.bytes, text.size()) << code_point;
    ASSERT_EQ(character.code_point, code_point);
    for (size_t cut = 1; cut < text.size(); ++cut) {
      ASSERT_EQ(read_utf8(std::string_view(text).substr(0, cut)).state, State::kIncomplete) << code_point;
    }
  }
}

TEST(Utf8, RejectsMalformedSequences) {
  for (const std::string_view text :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xED\xBF\xBF",
        "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xFF", "\xC3x", "\xE2\x82x",
        "\xF0\x9F\x98x"}) {
    const Utf8Character character = read_utf8(text);
    EXPECT_EQ(character.state, State::kInvalid) << ::testing::PrintToString(text);
    EXPECT_EQ(character.bytes, 1u);
  }
}

TEST(Utf8, TellsHowMuchOfACharacterThereIs) {
  EXPECT_EQ(read_utf8("\xE2\x82x").part_bytes, 2u);
  EXPECT_EQ(read_utf8("\xE2\x82").part_bytes, 2u);
  EXPECT_EQ(read_utf8("\xF0\x9F\x98\xFF").part_bytes, 3u);
  EXPECT_EQ(read_utf8("\xE0\x80\x80").part_bytes, 1u) << "no character begins with E0 80";
  EXPECT_EQ(read_utf8("\x80\x80").part_bytes, 1u);
  EXPECT_EQ(read_utf8("\u20ACx").part_bytes, 3u);
}

TEST(Utf8, KnowsTheLengthOfACharacterByItsFirstByte) {
  for (int byte = 0; byte < 256; ++byte) {
    const size_t expected = byte < 0x80   ? 1
                            : byte < 0xC2 ? 0
                            : byte < 0xE0 ? 2
                            : byte < 0xF0 ? 3
                            : byte < 0xF5 ? 4
                                          : 0;
    EXPECT_EQ(utf8_length(static_cast<char>(byte)), expected) << byte;
    EXPECT_EQ(continues_utf8(static_cast<char>(byte)), byte >= 0x80 && byte < 0xC0) << byte;
  }
}

TEST(Utf8Stream, GivesTheSameTextWhereverTheBytesAreCut) {
  const std::string bytes = "a\u00E9\xFF\u20AC\xE2\x82z\U0001F600";
  const std::string text = "a\u00E9\uFFFD\u20AC\uFFFD\uFFFDz\U0001F600";
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    Utf8Stream stream;
    std::string got = stream.push(std::string_view(bytes).substr(0, cut));
    got += stream.push(std::string_view(bytes).substr(cut));
    EXPECT_EQ(got + stream.flush(), text) << cut;
  }
}

TEST(Utf8Stream, GivesBackWhatStaysIncomplete) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xF0\x9F"), "a");
  EXPECT_EQ(stream.flush(), "\uFFFD\uFFFD");
  EXPECT_EQ(stream.flush(), "");
}

}  // namespace
}  // namespace pretrain
