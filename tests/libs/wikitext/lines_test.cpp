// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/libs/wikitext/cleaner_testing.h"

namespace pretrain::test {
namespace {

TEST(Lines, OfAParagraphAreJoined) {
  EXPECT_EQ(cleaned("One\ntwo\n\nthree\n\n\n\nfour"), "One two\n\nthree\n\nfour");
}

TEST(Lines, OfChineseAreJoinedWithoutASpace) {
  EXPECT_EQ(cleaned("一行\n二行", "zh"), "一行二行");
}

TEST(Lines, WithCarriageReturnsAreLinesLikeOthers) {
  EXPECT_EQ(cleaned("One\r\n\r\n* two\r\n* three\r\n"), "One\ntwo\nthree");
}

TEST(Lines, OfListsStandAloneWithoutBullets) {
  EXPECT_EQ(cleaned("Three:\n* one\n** two\n# three\n#: four\nText"),
            "Three:\none\ntwo\nthree\nfour\n\nText");
}

TEST(Lines, OfDefinitionsStandAlone) {
  EXPECT_EQ(cleaned("; term : meaning\n; other\n: its meaning"), "term\nmeaning\nother\nits meaning");
}

TEST(Lines, BegunWithASpaceStandAlone) {
  EXPECT_EQ(cleaned("a\n b\n c"), "a\nb\nc");
}

TEST(Lines, LoseCharactersThatShowNothing) {
  EXPECT_EQ(cleaned("A\u200Bb c\u00ADd \u200Ee f\u200F g\u2060h \uFEFFi \u202Bj\u202C \u2066k\u2069"),
            "Ab cd e f gh i j k");
  EXPECT_EQ(cleaned("A&shy;b &#8203;e &lrm;f\u00AD"), "Ab e f");
  EXPECT_EQ(cleaned("می\u200Cخواهم", "fa"), "می\u200Cخواهم");
  EXPECT_EQ(cleaned("क्\u200Dष", "hi"), "क्\u200Dष");
  EXPECT_EQ(cleaned("a – “b” … †c‡ •d ‹e› ′f"), "a – “b” … †c‡ •d ‹e› ′f");
}

TEST(Lines, WithoutWordsAreLeftOut) {
  EXPECT_EQ(cleaned("a\n\n----\n\n* \n* ...\n\n* {{flag icon}}\n\n。\n\nb"), "a\n\nb");
}

TEST(Lines, LeftWithANumberAfterARemovalAreLeftOut) {
  EXPECT_EQ(cleaned("List:\n* {{flagicon|x}} (17)\n* 1990"), "List:\n1990");
}

TEST(Lines, OfHeadingsStandAloneWithoutMarks) {
  EXPECT_EQ(cleaned("a\n== Head ''line'' ==\nb\n===Sub=== <!-- x -->\nc"), "a\n\nHead line\nb\n\nSub\nc");
}

TEST(Headings, OverNothingGo) {
  EXPECT_EQ(cleaned("a\n== Gallery ==\n<gallery>\nx.jpg|y\n</gallery>\n== Notes ==\n{{reflist}}\n"), "a");
}

TEST(Headings, OverASectionWithTextStay) {
  EXPECT_EQ(cleaned("==A==\n===B===\ntext\n===C===\n{{x}}\n==D==\nmore"), "A\n\nB\ntext\n\nD\nmore");
}

TEST(Headings, NeedBothMarks) {
  EXPECT_EQ(cleaned("= a + b\n\n==x=\ny"), "=a + b\n\n=x\ny");
}

TEST(Headings, AreFoundBehindTemplatesAndComments) {
  EXPECT_EQ(cleaned("{{clear}}== A ==\ntext\n<!-- c -->== B ==\nmore"), "A\ntext\n\nB\nmore");
}

TEST(Emphasis, GoesAndItsTextStays) {
  EXPECT_EQ(cleaned("'''b''' ''i'' '''''both'''''"), "b i both");
}

TEST(Emphasis, LeavesApostrophes) {
  EXPECT_EQ(cleaned("the dog's ''bone'' isn't"), "the dog's bone isn't");
  EXPECT_EQ(cleaned("''''four''''"), "'four'");
  EXPECT_EQ(cleaned("L'''Iliade'' et '''l'Odyssée'''", "fr"), "L'Iliade et l'Odyssée");
}

TEST(Emphasis, AfterAnElidedWordKeepsItsApostrophe) {
  EXPECT_EQ(cleaned("C'est l'''Odyssée'' qu'il lit", "fr"), "C'est l'Odyssée qu'il lit");
  EXPECT_EQ(cleaned("Lesse dell'''Odissea'' ieri", "it"), "Lesse dell'Odissea ieri");
  EXPECT_EQ(cleaned("'''Foo''' è l'''incipit'' del ''De rerum''", "it"), "Foo è l'incipit del De rerum");
}

/// Of three runs of three, one is an apostrophe: that after one letter, else that after a word, else the last way.
TEST(Emphasis, ThatIsUnbalancedGivesUpOneRunAsMediaWikiDoes) {
  EXPECT_EQ(cleaned("word'''a'' l'''b''' '''c'''"), "worda l'b c");
  EXPECT_EQ(cleaned("word'''a'' '''b''' other'''c'''"), "word'a b otherc");
  EXPECT_EQ(cleaned("x '''a'' b"), "x 'a b");
  EXPECT_EQ(cleaned("'''foo'' bar"), "'foo bar");
}

TEST(Emphasis, InALabelOrArgumentIsResolvedThere) {
  EXPECT_EQ(cleaned("[[x|l'''île'']] and '''''rest''"), "l'île and rest");
  EXPECT_EQ(cleaned("He read {{lang|fr|l'''Étranger''}} in '''1942'''"), "He read l'Étranger in 1942");
}

TEST(Emphasis, AfterALinkIsNotAfterALetter) {
  EXPECT_EQ(cleaned("a [[l]]'''b'' c'''d''' e'''f'''"), "a lb c'd ef");
}

TEST(Emphasis, NeverClosedGoes) {
  EXPECT_EQ(cleaned("an '''open run\n\nnext ''one"), "an open run\n\nnext one");
}

TEST(Spaces, AreCollapsed) {
  EXPECT_EQ(cleaned("  a   b    c  "), "a b c");
}

TEST(Switches, GoInEnglishAndLocally) {
  EXPECT_EQ(cleaned("__NOTOC__\na __FORCETOC__ b"), "a b");
  EXPECT_EQ(cleaned("__БЕЗ_ОГЛ__\nтекст", "ru"), "текст");
  EXPECT_EQ(cleaned("the macro __FILE__ and __init__"), "the macro __FILE__ and __init__");
}

TEST(Switches, GoInEveryCaseThatMediaWikiTakes) {
  EXPECT_EQ(cleaned("__notoc__ a __NoEditSection__ b"), "a b");
  EXPECT_EQ(cleaned("the method __index__ of Python"), "the method __index__ of Python");
}

TEST(Switches, OfSmallerLanguagesGo) {
  EXPECT_EQ(cleaned("__목차보임__\n문장", "ko"), "문장");
  EXPECT_EQ(cleaned("__विषय_सूची_दिखाएँ__\nवाक्य", "hi"), "वाक्य");
  EXPECT_EQ(cleaned("__SIN_TDC__\nfrase", "es"), "frase");
  EXPECT_EQ(cleaned("__EXPECTED_UNCONNECTED_PAGE__ text"), "text");
}

TEST(PageName, IsTheTitleWhereItIsKnown) {
  WikitextCleaner cleaner(WikiSite{.language = "en", .namespaces = {}});
  std::string text;
  cleaner.clean("'''{{PAGENAME}}''' is a village, {{pagename}} not", text, "Upper Foo");
  EXPECT_EQ(text, "Upper Foo is a village, not");
  EXPECT_EQ(cleaned("'''{{PAGENAME}}''' is a village"), "is a village");
}

TEST(Tables, GoWithAllTheyHold) {
  EXPECT_EQ(cleaned("a\n{| class=\"x\"\n! h\n|-\n| c {{t|\n|}} || d\n|\n{|\n| inner\n|}\n|}\nb"), "a\n\nb");
}

TEST(Tables, MayBeIndented) {
  EXPECT_EQ(cleaned("a\n\n::{|\n| x\n|}\n\nb"), "a\n\nb");
}

TEST(Tables, InTemplatesAndTemplatesInTablesGo) {
  EXPECT_EQ(cleaned("{{Infobox|x=\n{|\n| a\n|}\n}}b"), "b");
  EXPECT_EQ(cleaned("{|\n| {{Infobox\n| a = b\n}}\n|}\nc"), "c");
}

TEST(Tables, NeverClosedEndWhereProseGoesOn) {
  EXPECT_EQ(cleaned("a\n\n{| class=x\n| b\n|-\n| c\n\nMore text follows.\n\n== H ==\nMore."),
            "a\n\nMore text follows.\n\nH\nMore.");
}

TEST(Tables, WrittenWithTemplatesForTheirBarsGo) {
  EXPECT_EQ(cleaned("{{(!}} class=x\n{{!}}-\n{{!}} cell {{n|}}\n{{!)}}\nText"), "Text");
  EXPECT_EQ(cleaned("{{{!}} class=x\n{{!}}-\n{{!}} cell\n{{{!}}\n{{!}} inner\n{{!}}}\n{{!}}}\nText"), "Text");
}

TEST(Tables, RowsWithoutTheirTableGo) {
  EXPECT_EQ(cleaned("{{top}}\n|-\n| a || b\n! colspan=2 | c\n|}\nText"), "Text");
  EXPECT_EQ(cleaned("!Kung is a language."), "!Kung is a language.");
}

TEST(Lines, OfATermAndItsDefinitionAreTwo) {
  EXPECT_EQ(cleaned("; Term : it means: this\n; Other\n: it means: that"),
            "Term\nit means: this\nOther\nit means: that");
  EXPECT_EQ(cleaned("; [[a:b|One: two]] {{nowrap|c: d}} [http://x.y e: f] : def"), "One: two c: d e: f\ndef");
  EXPECT_EQ(cleaned("*; '''Term''': def\n; http://a.b and\nText: more."),
            "Term\ndef\nhttp://a.b and\n\nText: more.");
}

TEST(Lines, AroundATableAreParagraphs) {
  EXPECT_EQ(cleaned("One.\n{| class=x\n| cell\n|}\nTwo\nlines."), "One.\n\nTwo lines.");
  EXPECT_EQ(cleaned("One\n{|\n| cell\n|} two."), "One\n\ntwo.");
}

}  // namespace
}  // namespace pretrain::test
