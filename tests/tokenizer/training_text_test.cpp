// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/training_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pretrain {
namespace {

std::vector<std::string> lines_of(const std::vector<std::string>& documents, size_t limit = 1000) {
  const Alphabet alphabet(documents, limit);
  std::vector<std::string> lines;
  for (TrainingLines walk(documents, alphabet); !walk.line().empty(); walk.next())
    lines.push_back(walk.line());
  return lines;
}

TEST(Alphabet, KeepsASmallAlphabetWhole) {
  std::string text(100000, 'e');
  text += "$&";
  const Alphabet alphabet({text}, 1000);
  EXPECT_TRUE(alphabet.contains('$'));
  EXPECT_TRUE(alphabet.contains('&'));
  EXPECT_FALSE(alphabet.contains('%'));
}

TEST(Alphabet, LeavesOutRareCharactersOfALargeOne) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "\u4e00\u4e01";
  for (char last = '\x80'; last < '\xBF'; ++last) {
    for (char middle = '\xB9'; middle < '\xBE'; ++middle) text += {'\xE4', middle, last};
  }
  const Alphabet alphabet({text + std::string(1000000, 'e')}, 1000);
  EXPECT_EQ(alphabet.size(), 256u);
}

TEST(Alphabet, KeepsTheMostFrequentWithinTheLimit) {
  const Alphabet alphabet({"zzzzyyyxxw"}, 5);
  EXPECT_EQ(alphabet.size(), 5u);
  EXPECT_TRUE(alphabet.contains('x'));
  EXPECT_FALSE(alphabet.contains('w'));
  EXPECT_TRUE(alphabet.contains(' '));
}

TEST(Alphabet, FindsNoTextInBlanksAndControlCharacters) {
  EXPECT_FALSE(Alphabet({"", " \n\t ", "\x01"}, 1000).has_text());
  EXPECT_TRUE(Alphabet({"", " x"}, 1000).has_text());
}

TEST(TrainingLines, CutsAtControlCharactersAndReservedMarks) {
  EXPECT_THAT(lines_of({"one two\nthree\r\n\n", "",
                        "fo\tur\xE2\x96\x81"
                        "five\xE2\x96\x85six"}),
              ::testing::ElementsAre("one two", "three", "fo", "ur", "five", "six", " a"));
}

TEST(TrainingLines, CutsAtCharactersOutsideTheAlphabet) {
  EXPECT_THAT(lines_of({"zzzzyyyx zz"}, 4), ::testing::ElementsAre("zzzzyyy", " zz", " a"));
}

TEST(TrainingLines, CutLongLinesBeforeABlankAndDropNothing) {
  std::string text;
  for (int word = 0; word < 3000; ++word) text += "word" + std::to_string(word) + " ";
  std::string joined;
  for (const std::string& line : lines_of({text})) {
    EXPECT_LE(line.size(), 4100u);
    EXPECT_TRUE(joined.empty() || line.front() == ' ');
    joined += line;
  }
  EXPECT_EQ(joined, text + " a");
}

TEST(TrainingLines, CutLongLinesWithoutBlanks) {
  size_t bytes = 0;
  for (const std::string& line : lines_of({std::string(20000, 'x')})) {
    EXPECT_LE(line.size(), 4100u);
    bytes += line.size();
  }
  EXPECT_EQ(bytes, 20002u);
}

}  // namespace
}  // namespace pretrain
