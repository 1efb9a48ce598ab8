// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/text_splitter.h"

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tokenizer/byte_pairs_testing.h"
#include "tests/tokenizer/sample_models.h"

namespace pretrain::test {
namespace {

using testing::ElementsAre;

constexpr uint32_t kCodePoints = 0x110000;

std::vector<std::string> words(const TextSplitter& splitter, std::string_view text) {
  std::vector<std::string> found;
  splitter.split(text, [&](std::string_view word) { found.emplace_back(word); });
  return found;
}

TextSplitter splitter_of(std::vector<SplitRule> rules) {
  return TextSplitter(rules);
}

TEST(TextSplitter, CutsAsGpt2Does) {
  const TextSplitter splitter = splitter_of({SplitRule::kGpt2});
  EXPECT_THAT(words(splitter, "It's  1999, or\n so"),
              ElementsAre("It", "'s", " ", " 1999", ",", " or", "\n", " so"));
  EXPECT_THAT(words(splitter, ""), ElementsAre());
  EXPECT_THAT(words(splitter, "   "), ElementsAre("   "));
}

TEST(TextSplitter, CutsAsQwenDoes) {
  const TextSplitter splitter = splitter_of({SplitRule::kQwen2});
  EXPECT_THAT(words(splitter, "IT'S 12 (a)\n\n b"),
              ElementsAre("IT", "'S", " ", "1", "2", " (", "a", ")\n\n", " b"));
}

TEST(TextSplitter, CutsThreeDigitsAsLlamaDoes) {
  EXPECT_THAT(words(splitter_of({SplitRule::kLlama3}), "12345"), ElementsAre("123", "45"));
}

TEST(TextSplitter, EachRuleCutsTheWordsOfTheOneBefore) {
  EXPECT_THAT(words(splitter_of({SplitRule::kDigits, SplitRule::kGpt2}), "a 12b"),
              ElementsAre("a", " ", "1", "2", "b"));
  EXPECT_THAT(words(splitter_of({}), "a b"), ElementsAre("a b"));
}

TEST(TextSplitter, KnowsTheExpressionsOfFiles) {
  for (const SplitRule rule : {SplitRule::kGpt2, SplitRule::kLlama3, SplitRule::kQwen2})
    EXPECT_EQ(find_split_rule(expression_of(rule)), rule);
  EXPECT_EQ(find_split_rule(""), std::nullopt);
  EXPECT_EQ(find_split_rule(R"(\s+)"), std::nullopt);
}

TEST(TextSplitter, WordsAreTheText) {
  const TextSplitter splitter = splitter_of({SplitRule::kQwen2});
  Rng rng(3);
  for (int i = 0; i < 500; ++i) {
    const std::string text = random_text(rng, 80);
    std::string joined;
    for (const std::string& word : words(splitter, text)) joined += word;
    ASSERT_EQ(joined, text);
  }
}

/// Sets of code points by name, as the library `tokenizers` has them.
std::map<std::string, std::vector<bool>> recorded_classes() {
  std::map<std::string, std::vector<bool>> classes;
  std::istringstream lines(recorded("classes.txt"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream ranges(line);
    std::string name;
    ranges >> name;
    std::vector<bool>& members = classes[name];
    members.resize(kCodePoints);
    for (std::string range; ranges >> range;) {
      const size_t dash = range.find('-');
      const auto first = std::stoul(range, nullptr, 16);
      const auto last = dash == std::string::npos ? first : std::stoul(range.substr(dash + 1), nullptr, 16);
      for (auto point = first; point <= last; ++point) members[point] = true;
    }
  }
  return classes;
}

/// Whether a character is of the class of the one before it, for every character.
TEST(TextSplitter, CountsLettersNumbersAndBlanksAsTheLibraryDoes) {
  auto classes = recorded_classes();
  const auto is_in = [&](const char* name, uint32_t point) -> bool { return classes[name][point]; };
  const TextSplitter gpt2 = splitter_of({SplitRule::kGpt2});
  const TextSplitter digits = splitter_of({SplitRule::kDigits});
  const auto is_one_word = [](const TextSplitter& splitter, const std::string& text) {
    size_t count = 0;
    splitter.split(text, [&](std::string_view) { ++count; });
    return count == 1;
  };
  for (uint32_t point = 1; point < kCodePoints; ++point) {
    if (point >= 0xD800 && point < 0xE000) continue;
    const std::string character = to_utf8(point);
    const bool is_letter = is_one_word(gpt2, "a" + character);
    const bool is_number = is_one_word(gpt2, "1" + character);
    const bool is_other = is_one_word(gpt2, "!" + character);
    ASSERT_EQ(is_letter, is_in("letters", point)) << std::hex << point;
    ASSERT_EQ(is_number, is_in("numbers", point)) << std::hex << point;
    ASSERT_EQ(!is_letter && !is_number && !is_other, is_in("blanks", point)) << std::hex << point;
    ASSERT_EQ(!is_one_word(digits, "!" + character), is_in("digits", point)) << std::hex << point;
  }
}

}  // namespace
}  // namespace pretrain::test
