// SPDX-License-Identifier: Apache-2.0
#include "libs/base/text.h"

#include <string>

#include <gtest/gtest.h>

#include "libs/base/utf8.h"

namespace pretrain {
namespace {

TEST(Printable, LeavesOrdinaryTextOfEveryLanguageAsItIs) {
  for (const char* text : {"", "C:\\temp \\x1b", "Zürich, Škoda", "東京 한국어", "עברית\u200F ١٢٣\u061C",
                           "👩‍👩‍👧 🏴", "a\u00A0b\u00ADc\uFEFF"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(printable("\x1b[2J\x07\x08\x0e\x7f"), "\\x1b[2J\\x07\\x08\\x0e\\x7f");
  EXPECT_EQ(printable(std::string_view("\0a", 2)), "\\x00a");
  EXPECT_EQ(printable("\u009b31m\u0080\u009f"), "\\u009b31m\\u0080\\u009f") << "C1 as UTF-8";
  EXPECT_EQ(printable("\x9b"
                      "31m"),
            "\\x9b31m")
      << "C1 as a raw byte";
  EXPECT_EQ(printable("a\u202Etxt.exe\u2066\u2028"), "a\\u202etxt.exe\\u2066\\u2028");
}

TEST(Printable, ShowsBytesThatAreNotUtf8) {
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3") << "a character cut off at the end included";
  EXPECT_EQ(printable("\xe2\x82x"), "\\xe2\\x82x");
}

TEST(Printable, KeepsLineBreaksOnlyWhenAskedTo) {
  EXPECT_EQ(printable("a\nb\tc\r\n"), "a\\nb\\tc\\r\\n");
  EXPECT_EQ(printable("a\nb\tc\r\n\x1b", LineBreaks::kKeep), "a\nb\tc\\r\n\\x1b");
}

TEST(Printable, LetsNoControlCharacterThroughAndIsTheSameTwiceAsOnce) {
  for (uint32_t code_point = 0; code_point < 0x20000; ++code_point) {
    if (code_point == 0xD800) code_point = 0xE000;
    std::string text;
    append_utf8(code_point, text);
    const std::string once = printable(text);
    ASSERT_EQ(printable(once), once) << code_point;
    for (const char byte : once) ASSERT_FALSE(static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f);
  }
  for (int byte = 0; byte < 256; ++byte) {
    const std::string once = printable(std::string(1, static_cast<char>(byte)));
    ASSERT_EQ(printable(once), once) << byte;
  }
}

TEST(TrimBlanks, TakesAsciiWhiteSpaceFromBothEnds) {
  EXPECT_EQ(trim_blanks(" \t\r\n\v\f a b\n"), "a b");
  EXPECT_EQ(trim_blanks("a"), "a");
  EXPECT_EQ(trim_blanks("\u00a0a"), "\u00a0a") << "a no-break space is no ASCII";
}

TEST(TrimBlanks, LeavesNothingOfBlanks) {
  EXPECT_EQ(trim_blanks(" \n"), "");
  EXPECT_TRUE(is_blank(""));
  EXPECT_TRUE(is_blank("\r\n"));
  EXPECT_FALSE(is_blank(" a"));
}

}  // namespace
}  // namespace pretrain
