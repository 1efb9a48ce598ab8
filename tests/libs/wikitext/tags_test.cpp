// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/libs/wikitext/cleaner_testing.h"

namespace pretrain::test {
namespace {

TEST(References, GoInAllTheirForms) {
  EXPECT_EQ(cleaned("a<ref>b [[c]] {{d|e}}</ref>, f<ref name=\"g\"/> h<ref name=i>j</ref>.<REF>k</REF>"),
            "a, f h.");
  EXPECT_EQ(cleaned("a<references>\n<ref name=x>y</ref>\n</references>b<references/>"), "ab");
}

TEST(References, InTemplatesAreClosedToBraces) {
  EXPECT_EQ(cleaned("{{Infobox|a=1<ref>{{b}</ref>}}text"), "text");
}

TEST(References, NeverClosedLeaveThePage) {
  EXPECT_EQ(cleaned("a<ref name=x>b\n\nc\n\n== H ==\nd<ref>e</ref>"), "ab\n\nc\n\nH\nd");
}

TEST(Comments, Go) {
  EXPECT_EQ(cleaned("a <!-- b\n\nc --> d"), "a d");
  EXPECT_EQ(cleaned("a\n<!-- alone -->\nb"), "a b");
}

TEST(Comments, NeverClosedEndWithTheirLine) {
  EXPECT_EQ(cleaned("a <!-- b\n\nc"), "a\n\nc");
}

TEST(Nowiki, KeepsItsContentAsItStands) {
  EXPECT_EQ(cleaned("write <nowiki>[[link]] or {{x}} ''y'' <b></nowiki>"),
            "write [[link]] or {{x}} ''y'' <b>");
  EXPECT_EQ(cleaned("<nowiki>a &amp; b</nowiki> c<nowiki/>d"), "a & b cd");
}

TEST(Tags, GoAndTheirTextStays) {
  EXPECT_EQ(cleaned("<span style=\"x\">a</span> <small>b</small> <abbr title=\"c\">d</abbr>"), "a b d");
}

TEST(Tags, ThatBreakLinesDoNotGlueWords) {
  EXPECT_EQ(cleaned("one<br>two<br/>three<BR />four"), "one\ntwo\nthree\nfour");
  EXPECT_EQ(cleaned("<div>one</div><div>two</div>"), "one\n\ntwo");
  EXPECT_EQ(cleaned("<ul><li>one</li><li>two</li></ul>"), "one\ntwo");
}

TEST(Tags, ThatBreakLinesInALabelAreASpace) {
  EXPECT_EQ(cleaned("[[a|b<br>c]] {{nowrap|d<br>e}}"), "b c d e");
}

TEST(Tags, WithContentThatIsNoProseGoWithIt) {
  const auto rest = [](const std::string& tag) {
    return cleaned("a <" + tag + " x=\"y\">b\n\nc</" + tag + "> d");
  };
  for (const char* tag : {"score", "hiero", "style"}) EXPECT_EQ(rest(tag), "a d") << tag;
  for (const char* block : {"gallery", "timeline", "pre", "syntaxhighlight", "source", "graph", "imagemap",
                            "table", "templatedata"})
    EXPECT_EQ(rest(block), "a\n\nd") << block;
}

TEST(Tags, ThatNobodyKnowsAreText) {
  EXPECT_EQ(cleaned("write to <name@example.com> if a < b"), "write to <name@example.com> if a < b");
}

TEST(Tags, OfInlineCodeGo) {
  EXPECT_EQ(cleaned("call <code>f(x)</code>"), "call f(x)");
  EXPECT_EQ(cleaned("<syntaxhighlight lang=\"c\" inline>a < b</syntaxhighlight> holds"), "a < b holds");
  EXPECT_EQ(cleaned("call <source lang=\"c\" enclose=\"none\">f()</source> now"), "call f() now");
}

TEST(Tags, EndTheirNameWhereMediaWikiDoes) {
  EXPECT_EQ(cleaned("so <i,j> and <a|b> but <s.foo> and <bä> hold"),
            "so <i,j> and <a|b> but <s.foo> and <bä> hold");
  EXPECT_EQ(cleaned("<i\tid=x>a</i\n> <b/>c"), "a c");
}

TEST(Tags, MayHoldWhatIsRemovedBeforeThem) {
  EXPECT_EQ(cleaned("<span style=\"<nowiki>a</nowiki>\">b</span> <span <!-- > -->>c</span>"), "b c");
  EXPECT_EQ(cleaned("<span <noinclude>id=x</noinclude>>b</span> <i <b>c"), "b <i c");
}

TEST(Tags, OfLabelledSectionsGoInAllTheirLanguages) {
  EXPECT_EQ(cleaned("<section begin=a />text<section end=a />"), "text");
  EXPECT_EQ(cleaned("<Abschnitt Anfang=\"a\" />Text<Abschnitt Ende=\"a\" />", "de"), "Text");
  EXPECT_EQ(cleaned("<קטע התחלה=א />טקסט<קטע סוף=א />", "he"), "טקסט");
  EXPECT_EQ(cleaned("<trecho começo=a/>texto<trecho fim=a/>", "pt"), "texto");
}

TEST(Superscripts, OfDigitsStayDigits) {
  EXPECT_EQ(cleaned("10<sup>−6</sup> m<sup>2</sup>"), "10⁻⁶ m²");
  EXPECT_EQ(cleaned("the 1<sup>st</sup> H<sub>2</sub>O"), "the 1st H2O");
}

TEST(Poems, KeepTheirLines) {
  EXPECT_EQ(cleaned("He wrote:\n<poem>\nOne line\nand ''another''\n\nlast\n</poem>\nText"),
            "He wrote:\nOne line\nand another\nlast\n\nText");
}

TEST(Formulas, BecomeALineOfText) {
  EXPECT_EQ(cleaned("where <math>E = mc^2</math> holds"), "where E = mc² holds");
  EXPECT_EQ(cleaned("<math>\\frac{a+1}{b} \\le \\sqrt{x_{10}}</math>"), "(a+1)/b ≤ √(x_10)");
  EXPECT_EQ(cleaned("<math>\\alpha \\in \\mathbb{R}^{n+1}</math>"), "α ∈ ℝ^(n+1)");
}

TEST(Formulas, ShowTheDegreeOfARoot) {
  EXPECT_EQ(cleaned("<math>\\sqrt[3]{8} = 2</math> and <math>\\sqrt[n]{a+b}</math>"), "³√8 = 2 and ⁿ√(a+b)");
}

TEST(Formulas, KeepCharactersWhole) {
  EXPECT_EQ(cleaned("<math>a \\ü b</math>"), "a ü b");
}

TEST(Formulas, KeepTheirNegations) {
  EXPECT_EQ(cleaned("<math>a \\not= b</math>, <math>a \\not\\in b</math>"), "a ≠ b, a ∉ b");
  EXPECT_EQ(cleaned("So <math>a \\not\\to b</math> is. He left."), "He left.");
}

TEST(Formulas, OfSeveralLinesGo) {
  EXPECT_EQ(cleaned("It is so:\n:<math>\\begin{pmatrix} a & b \\end{pmatrix}</math>\nHe left."),
            "It is so: He left.");
  EXPECT_EQ(cleaned("so <math>\\begin{pmatrix} a & b \\end{pmatrix}</math>, as. He left."), "He left.");
}

TEST(Entities, AreDecodedOnce) {
  EXPECT_EQ(cleaned("a &amp; b &lt;c&gt; &amp;lt; &#8211; &#x2014; &eacute;"), "a & b <c> &lt; – — é");
}

TEST(Entities, ThatAreNoneStay) {
  EXPECT_EQ(cleaned("a & b &nothing; &#0; &#xD800; &#99999999; &#x110000; AT&T;"),
            "a & b &nothing; &#0; &#xD800; &#99999999; &#x110000; AT&T;");
}

TEST(Entities, OfSpacesAreASpace) {
  EXPECT_EQ(cleaned("5&nbsp;km&thinsp;x a&shy;b"), "5 km x ab");
  EXPECT_EQ(cleaned("a&#8203;b a&#x2009;b"), "ab a b");
}

TEST(Entities, DoNotMakeMarkup) {
  EXPECT_EQ(cleaned("&#91;&#91;a&#93;&#93; &lt;ref&gt;"), "[[a]] <ref>");
}

TEST(Tags, PutTheReadingOfAWordInBracketsOnce) {
  EXPECT_EQ(cleaned("<ruby>漢<rt>かん</rt></ruby>の字", "ja"), "漢（かん）の字");
  EXPECT_EQ(cleaned("<ruby>漢<rt>かん<rt></rt></ruby>の字", "ja"), "漢（かん）の字");
  EXPECT_EQ(cleaned("<ruby>漢<rt>かん</ruby>の<ruby>字<rp>(</rp><rt>じ</rt><rp>)</rp></ruby>", "ja"),
            "漢（かん）の字(じ)");
  EXPECT_EQ(cleaned("<ruby>漢<rt>kan</rt>字<rt>ji</rt></ruby>."), "漢(kan)字(ji).");
}

TEST(Tags, OfLiteralTextMakeAMarkAtTheStartOfALineText) {
  EXPECT_EQ(cleaned("<nowiki />* is a star.\n<nowiki/># is none."), "* is a star. # is none.");
}

TEST(Tags, OfBlocksEndTheParagraph) {
  EXPECT_EQ(cleaned("A lake.\n<gallery>\nFile:x.jpg|Shore\n</gallery>\nA hill."), "A lake.\n\nA hill.");
  EXPECT_EQ(cleaned("It prints\n<syntaxhighlight lang=c>\nint x;\n</syntaxhighlight>\nas text."),
            "It prints\n\nas text.");
  EXPECT_EQ(cleaned("One <pre>raw</pre> two <table><tr><td>x</td></tr></table> three."),
            "One\n\ntwo\n\nthree.");
  EXPECT_EQ(cleaned("One.\n----\nTwo."), "One.\n\nTwo.");
  EXPECT_EQ(cleaned("* One <pre>raw</pre> two\n* Three"), "One two\nThree");
  EXPECT_EQ(cleaned("One <timeline>\nnever closed."), "One never closed.");
}

}  // namespace
}  // namespace pretrain::test
