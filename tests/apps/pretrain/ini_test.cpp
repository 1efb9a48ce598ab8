// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/ini.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"

namespace pretrain {
namespace {

std::string value_of(const std::string& line) {
  const auto entries = parse_ini(line, "f");
  EXPECT_EQ(entries.size(), 1U) << line;
  return entries.empty() ? "" : entries.front().value;
}

TEST(Ini, TakesTextAsItIs) {
  EXPECT_EQ(value_of("corpus = /wiki/C# notes"), "/wiki/C# notes");
  EXPECT_EQ(value_of("corpus=/a=b;c"), "/a=b;c");
  EXPECT_EQ(value_of("corpus =   /a #1  "), "/a #1");
}

TEST(Ini, NamesTheEncodingOfAFileThatWindowsCallsUnicode) {
  using namespace std::string_view_literals;
  for (const auto text : {"\xFF\xFEs\0t\0"sv, "\xFE\xFF\0s\0t"sv}) {
    try {
      (void)parse_ini(text, "a.ini");
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "a.ini, line 1: this is UTF-16; save the file as UTF-8");
    }
  }
}

TEST(Ini, SkipsCommentsHeadingsMarksAndLineEnds) {
  const auto entries = parse_ini("\xEF\xBB\xBF# a\r\n; b\r\n[train]\r\n\r\n  steps = 5\r\nseed = 6", "f");
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].key, "steps");
  EXPECT_EQ(entries[0].value, "5");
  EXPECT_EQ(entries[0].line, 5U);
  EXPECT_EQ(entries[1].value, "6");
}

TEST(Ini, TakesOffQuotes) {
  EXPECT_EQ(value_of("model = \"tiny\""), "tiny");
  EXPECT_EQ(value_of("model = 'tiny'  # small"), "tiny");
  EXPECT_EQ(value_of(R"(state = "a \"b\" \\ \n")"), "a \"b\" \\ \n");
  EXPECT_EQ(value_of(R"(state = 'a\nb')"), R"(a\nb)");
  EXPECT_EQ(value_of("state = \"\""), "");
}

TEST(Ini, ReadsBackWhatItWrites) {
  for (const std::string value : {"/wiki", "C# x", " a", "a ", "a\nb", "a\tb", "\"", "'", "'a'", "a\\b", "#",
                                  ";", "[x]", "a = b", "a\r"})
    EXPECT_EQ(value_of("state = " + ini_value(value)), value) << value;
}

TEST(Ini, LeavesOutACommentThatFollowsABlank) {
  EXPECT_EQ(without_comment("10k  # steps"), "10k");
  EXPECT_EQ(without_comment("2h ; x"), "2h");
  EXPECT_EQ(without_comment("a#b"), "a#b");
}

TEST(Ini, RefusesWhatItCannotRead) {
  for (const std::string text : {"x", "= 5", "a = \"b", "a = 'b", "a = \"b\" c", "a = \"\\q\"", "[x",
                                 "[other]", std::string("a = \0b", 6).c_str()}) {
    if (text == "a = ") continue;
    EXPECT_THROW(parse_ini(text, "f"), Error) << text;
  }
  EXPECT_THROW(parse_ini(std::string_view("a = \0b", 6), "f"), Error);
}

}  // namespace
}  // namespace pretrain
