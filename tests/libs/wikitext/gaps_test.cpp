// SPDX-License-Identifier: Apache-2.0
// What is left of a sentence where something was dropped from it.

#include <gtest/gtest.h>

#include "tests/libs/wikitext/cleaner_testing.h"

namespace pretrain::test {
namespace {

TEST(Gaps, LeaveNoEmptyBrackets) {
  EXPECT_EQ(cleaned("Abel ({{IPA-en|x}}) was"), "Abel was");
  EXPECT_EQ(cleaned("Abel ({{IPA-en|x}}; {{audio|y}}) was"), "Abel was");
  EXPECT_EQ(cleaned("Abel ( {{x}} , {{y}} ; ), a"), "Abel, a");
  EXPECT_EQ(cleaned("亞伯（{{x}}；{{y}}）是", "zh"), "亞伯是");
}

TEST(Gaps, LeaveNoConjunctionAloneInBrackets) {
  EXPECT_EQ(cleaned("Abel ({{IPA|x}} or {{IPA|y}}) was"), "Abel was");
}

TEST(Gaps, LeaveNoDashOrLabelAloneInBrackets) {
  EXPECT_EQ(cleaned("Abel ({{IPA|x}} – {{IPA|y}}) was"), "Abel was");
  EXPECT_EQ(cleaned("Abel (Latin: {{IPA|x}}) was"), "Abel was");
  EXPECT_EQ(cleaned("Abel (Latin: {{IPA|x}}; born 1900; Greek: {{IPA|y}}) was"), "Abel (born 1900) was");
}

TEST(Gaps, LeaveNoEmptyQuotes) {
  EXPECT_EQ(cleaned("the form \"{{unknown form|x}}\" is"), "the form is");
  EXPECT_EQ(cleaned("「{{未知|x}}」と言う", "ja"), "と言う");
}

TEST(Gaps, AtTheStartOfAnItemBeforeAStopTakeTheItem) {
  EXPECT_EQ(cleaned("* {{cite book|title=A}}. Reprinted in {{cite book|title=B}}.\n* Other work"),
            "Other work");
}

TEST(Gaps, AtTheStartOfBracketsTakeTheirSeparator) {
  EXPECT_EQ(cleaned("Abel ({{IPA|x}}; born 1900) was"), "Abel (born 1900) was");
  EXPECT_EQ(cleaned("Abel ({{IPA|x}}, {{y}}, born 1900)"), "Abel (born 1900)");
}

TEST(Gaps, AtTheEndOfBracketsTakeTheirSeparator) {
  EXPECT_EQ(cleaned("Abel (born 1900; {{IPA|x}}) was"), "Abel (born 1900) was");
}

TEST(Gaps, LeaveNoSpaceBeforeCommaOrStop) {
  EXPECT_EQ(cleaned("a {{x}}, b {{x}}. C <ref>r</ref>; d"), "a, b. C; d");
}

TEST(Gaps, LeaveDecimalPointsAndEllipsesAlone) {
  EXPECT_EQ(cleaned("a {{x}} .5 b {{x}} ... c"), "a .5 b ... c");
}

TEST(Gaps, LeaveNoSeparatorTwice) {
  EXPECT_EQ(cleaned("a, {{x}}, b; {{x}}. C"), "a, b. C");
}

TEST(Gaps, LeaveOneSpace) {
  EXPECT_EQ(cleaned("a {{x}} b <ref>c</ref> <ref>d</ref> e"), "a b e");
  EXPECT_EQ(cleaned("a{{x}}b"), "ab");
}

TEST(Gaps, AtTheStartOfALineTakeTheirSeparator) {
  EXPECT_EQ(cleaned("{{x}}, the text"), "the text");
}

TEST(Gaps, LeaveTheSpacesOfOtherPlacesAlone) {
  EXPECT_EQ(cleaned("Quoi ? Rien : c'est", "fr"), "Quoi ? Rien : c'est");
}

TEST(Gaps, InAListItemLeaveNoEmptyItem) {
  EXPECT_EQ(cleaned("* {{x}}\n* [[File:a.jpg]]\n* b"), "b");
}

}  // namespace
}  // namespace pretrain::test
