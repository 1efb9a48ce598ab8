// SPDX-License-Identifier: Apache-2.0
#include "libs/base/wrapped_lines.h"

#include <gtest/gtest.h>

namespace pretrain {
namespace {

TEST(WrappedLines, BreakAtBlanksAndIndentWhatFollows) {
  EXPECT_EQ(wrapped_lines("one two three four\n", 10), "one two\n  three\n  four\n");
  EXPECT_EQ(wrapped_lines("one two\nthree four five", 10), "one two\nthree four\n  five");
}

TEST(WrappedLines, StayAsTheyAreWhereTheyFit) {
  EXPECT_EQ(wrapped_lines("", 10), "");
  EXPECT_EQ(wrapped_lines("\n\nexactly 10\n", 10), "\n\nexactly 10\n");
}

TEST(WrappedLines, KeepLongWordsWhole) {
  EXPECT_EQ(wrapped_lines("/a/path/of/a/file", 10), "/a/path/of/a/file");
  EXPECT_EQ(wrapped_lines("in /a/path/of/a/file now", 10), "in\n  /a/path/of/a/file\n  now");
  EXPECT_EQ(wrapped_lines(std::string(20, ' '), 10), std::string(20, ' '));
}

TEST(WrappedLines, IndentMoreThanTheLineThatContinues) {
  EXPECT_EQ(wrapped_lines("  one two three", 11), "  one two\n    three");
  EXPECT_EQ(wrapped_lines(std::string(9, ' ') + "one two", 10),
            std::string(9, ' ') + "one\n" + std::string(11, ' ') + "two");
}

TEST(WrappedLines, CountCharactersAndNotBytes) {
  EXPECT_EQ(wrapped_lines("äöü äöü äö", 10), "äöü äöü äö");
  EXPECT_EQ(wrapped_lines("äöü äöü äöü", 10), "äöü äöü\n  äöü");
}

}  // namespace
}  // namespace pretrain
