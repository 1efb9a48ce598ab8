// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/libs/wikitext/cleaner_testing.h"

namespace pretrain::test {
namespace {

TEST(Links, ShowTheirLabel) {
  EXPECT_EQ(cleaned("A [[trireme]] and a [[warship|ship of war]]."), "A trireme and a ship of war.");
}

TEST(Links, KeepTheirTrail) {
  EXPECT_EQ(cleaned("Many [[bus]]es and [[car|automobile]]s"), "Many buses and automobiles");
}

TEST(Links, WithAnEmptyLabelShowTheShortName) {
  EXPECT_EQ(cleaned("[[Pipe (computing)|]]"), "Pipe");
  EXPECT_EQ(cleaned("[[Help:Contents|]]"), "Contents");
  EXPECT_EQ(cleaned("[[Boston, Massachusetts|]]"), "Boston");
}

TEST(Links, KeepTheSpacesThatPartThemFromWords) {
  EXPECT_EQ(cleaned("[[Berlin ]]area and the[[ Spree]], [[Foo ]], bar"),
            "Berlin area and the Spree, Foo, bar");
}

TEST(Links, DecodeEntitiesInTheTarget) {
  EXPECT_EQ(cleaned("[[Simon &amp; Schuster]]"), "Simon & Schuster");
}

TEST(Links, MayHoldTemplatesAndEmphasisInTheLabel) {
  EXPECT_EQ(cleaned("[[a|''b'' {{nowrap|c d}} e]] f"), "b c d e f");
}

TEST(Links, WithATemplateInTheTargetShowTheLabel) {
  EXPECT_EQ(cleaned("see [[{{PAGENAME}} list|the list]] now"), "see the list now");
}

TEST(Links, MayHaveATemplateForTheirBar) {
  EXPECT_EQ(cleaned("see [[Foo (list){{!}}the list]]s, [[Foo{{pipe}}''b'' {{nowrap|c d}}]] now"),
            "see the lists, b c d now");
}

TEST(Links, ToFilesGoWithCaptionAndNestedLinks) {
  EXPECT_EQ(cleaned("A [[File:x.jpg|thumb|of [[a|b]] and {{c|[[d]]}} [http://e f]]]B"), "A B");
  EXPECT_EQ(cleaned("[[Image:x.png]]Text"), "Text");
}

TEST(Links, ToFilesKeepTheWordsAroundThemApart) {
  EXPECT_EQ(cleaned("The mill closed.[[File:A.jpg|thumb|Cap]]It reopened"), "The mill closed. It reopened");
  EXPECT_EQ(cleaned("(see[[File:A.jpg]]) a-[[File:B.jpg]]b"), "(see) a-b");
  EXPECT_EQ(cleaned("文字。[[File:A.jpg]]下文", "zh"), "文字。下文");
}

TEST(Links, ToFilesAreKnownByTheirLocalNames) {
  EXPECT_EQ(cleaned("[[Datei:x.jpg|mini|Text [[a]]]]B", "de"), "B");
  EXPECT_EQ(cleaned("[[Fichier:x.jpg|vignette|Texte]]B", "fr"), "B");
  EXPECT_EQ(cleaned("[[Файл:x.jpg|мини|Текст]]B", "ru"), "B");
  EXPECT_EQ(cleaned("[[檔案:x.jpg|缩略图|文字]]B", "zh"), "B");
  EXPECT_EQ(cleaned("[[Tập tin:x.jpg|nhỏ|chữ]]B", "vi"), "B");
}

TEST(Links, ToFilesAreKnownFromTheDumpsOwnNames) {
  WikitextCleaner cleaner(WikiSite{.language = "xx", .namespaces = {{6, "Bildo"}, {14, "Aro"}}});
  std::string text;
  cleaner.clean("[[Bildo:x.jpg|thumb|y]]A[[aro:z]]", text);
  EXPECT_EQ(text, "A");
}

TEST(Links, ToCategoriesAndOtherLanguagesGo) {
  EXPECT_EQ(cleaned("Text\n\n[[Category:Ships|Key]]\n[[Category:Boats]]\n[[de:Schiff]]\n[[zh-min-nan:Chûn]]"),
            "Text");
  EXPECT_EQ(cleaned("Text\n[[Kategorie:Schiffe]]", "de"), "Text");
}

TEST(Links, WithALeadingColonAreShown) {
  EXPECT_EQ(cleaned("See [[:Category:Ships]] and [[:de:Schiff|the German page]]"),
            "See Category:Ships and the German page");
}

TEST(Links, OutOfTheWikiShowTheirLabel) {
  EXPECT_EQ(cleaned("An [http://example.com/a_b example] here"), "An example here");
  EXPECT_EQ(cleaned("An [//example.com ''example''] here"), "An example here");
}

TEST(Links, OutOfTheWikiEndTheirAddressWhereMediaWikiDoes) {
  EXPECT_EQ(cleaned("詳細は[http://example.org/　公式サイト]を参照", "ja"), "詳細は公式サイトを参照");
  EXPECT_EQ(cleaned("See [http://x.org/p.htm''La muerte'' (1901)]"), "See La muerte (1901)");
  EXPECT_EQ(cleaned("See [http://x.org/\"quoted\" text] and [http://y.org/<b>bold</b> z]"),
            "See \"quoted\" text and bold z");
  EXPECT_EQ(cleaned("See [http://[2001:db8::1]/ loopback] and [http://x.org?a={{t|b c}} label]"),
            "See loopback and label");
}

TEST(Links, OutOfTheWikiAreTextWhenTheirLineEndsBeforeThem) {
  EXPECT_EQ(cleaned("See [http://x.org first\nsecond]"), "See [http://x.org first second]");
}

TEST(Links, OutOfTheWikiInTwoBracketsKeepTheOuterOnes) {
  EXPECT_EQ(cleaned("See [[http://x.org label]] now"), "See [label] now");
}

TEST(Links, OutOfTheWikiWithoutALabelGo) {
  EXPECT_EQ(cleaned("Text [http://example.com/a_b] here [https://x.org]."), "Text here.");
}

TEST(Links, BareAddressesStay) {
  EXPECT_EQ(cleaned("See http://example.com/a_b?c=d for more"), "See http://example.com/a_b?c=d for more");
}

TEST(Links, SingleBracketsAreText) {
  EXPECT_EQ(cleaned("He said [sic] a[1] (b)"), "He said [sic] a[1] (b)");
}

TEST(Links, StrayClosingBracketsGo) {
  EXPECT_EQ(cleaned("a ]] b"), "a b");
}

TEST(Links, NeverClosedLeaveTheirText) {
  EXPECT_EQ(cleaned("An [[open link\n\nNext [[a|open label\n\nLast"),
            "An open link\n\nNext open label\n\nLast");
}

TEST(Links, MayBreakTheLineInTheLabel) {
  EXPECT_EQ(cleaned("a [[b|c\nd]] e"), "a c d e");
}

TEST(Links, ToAFileNeverClosedLoseOnlyTheirLine) {
  EXPECT_EQ(cleaned("[[File:x.jpg|thumb|caption\nThe text.\n\nMore."), "The text.\n\nMore.");
}

}  // namespace
}  // namespace pretrain::test
