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

}  // namespace
}  // namespace pretrain
