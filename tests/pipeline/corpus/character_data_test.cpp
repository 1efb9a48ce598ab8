// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/character_data.h"

#include <optional>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

/// What is appended to "before ".
std::optional<std::string> appended(std::string_view raw) {
  const std::string before = "before ";
  std::string text = before;
  if (!append_character_data(raw, text)) return std::nullopt;
  EXPECT_TRUE(text.starts_with(before));
  return text.substr(before.size());
}

TEST(CharacterData, IsItsTextWithTheFiveEntitiesDecodedOnce) {
  EXPECT_EQ(appended(""), "");
  EXPECT_EQ(appended("one\n\ttwo"), "one\n\ttwo");
  EXPECT_EQ(appended("&lt;b&gt; &quot;&apos;&amp;amp;"), "<b> \"'&amp;");
  EXPECT_EQ(appended("a > b ]> ]]&gt; \x7F"), "a > b ]> ]]> \x7F");
  EXPECT_EQ(appended("\uFF0C \uFFE5 \uFFFD \U0001F600"), "\uFF0C \uFFE5 \uFFFD \U0001F600");
}

TEST(CharacterData, IsNothingElse) {
  for (const std::string_view raw : {"a<b", "<", "&nbsp;", "&#65;", "&lt", "&", "&lt &gt;", "]]>", "a]]>b",
                                     "a\rb", "\x01", "a\x1F", "\uFFFE", "a\uFFFF b"}) {
    EXPECT_EQ(appended(raw), std::nullopt) << raw;
    EXPECT_EQ(appended(std::string(100, 'x').append(raw).append(100, 'y')), std::nullopt) << raw;
  }
  EXPECT_EQ(appended(std::string_view("a\0b", 3)), std::nullopt);
}

}  // namespace
}  // namespace pretrain
