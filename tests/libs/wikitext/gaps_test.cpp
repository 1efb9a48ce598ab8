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
  EXPECT_EQ(cleaned("the form \"{{sfn|x}}\" is"), "the form is");
  EXPECT_EQ(cleaned("「{{要出典|x}}」と言う", "ja"), "と言う");
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
  EXPECT_EQ(cleaned("p {{x}}, b {{x}}. C <ref>r</ref>; d"), "p, b. C; d");
}

TEST(Gaps, LeaveDecimalPointsAndEllipsesAlone) {
  EXPECT_EQ(cleaned("p {{x}} .5 b {{x}} ... c"), "p .5 b ... c");
}

TEST(Gaps, LeaveNoSeparatorTwice) {
  EXPECT_EQ(cleaned("a, {{x}}, b; {{x}}. C"), "a, b. C");
}

TEST(Gaps, LeaveOneSpace) {
  EXPECT_EQ(cleaned("p {{x}} b <ref>c</ref> <ref>d</ref> e"), "p b e");
  EXPECT_EQ(cleaned("p{{wbr}}b"), "pb");
}

TEST(Gaps, AtTheStartOfALineTakeTheirSeparator) {
  EXPECT_EQ(cleaned("{{x}}, the text"), "the text");
}

TEST(Gaps, LeaveTheSpacesOfOtherPlacesAlone) {
  EXPECT_EQ(cleaned("Quoi ? Rien : c'est", "fr"), "Quoi ? Rien : c'est");
}

TEST(UnknownTemplates, AfterAPrepositionTakeTheirSentence) {
  EXPECT_EQ(cleaned("He was born in Rome. He hit well in {{nosuch|1998}}. He left."),
            "He was born in Rome. He left.");
  EXPECT_EQ(cleaned("In {{nosuch|1998}} he hit well. He left."), "He left.");
  EXPECT_EQ(cleaned("A service between {{nosuch|X}} and {{nosuch|Y}}."), "");
  EXPECT_EQ(cleaned("Er lebte in {{nosuch|X}} und starb. Sie blieb.", "de"), "Sie blieb.");
  EXPECT_EQ(cleaned("Он жил в {{nosuch|X}} и умер. Она осталась.", "ru"), "Она осталась.");
}

TEST(UnknownTemplates, BeforeAParticleTakeTheirSentence) {
  EXPECT_EQ(cleaned("그는 {{nosuch|X}}의 제자이다. 그는 떠났다.", "ko"), "그는 떠났다.");
  EXPECT_EQ(cleaned("彼は{{nosuch|X}}の弟子である。彼は去った。", "ja"), "彼は去った。");
  EXPECT_EQ(cleaned("他位于{{nosuch|X}}。他离开了。", "zh"), "他离开了。");
}

TEST(UnknownTemplates, BeforeAUnitOrAtTheStartBeforeAParticleTakeTheirSentence) {
  EXPECT_EQ(cleaned("{{nosuch|X}}は町である。彼は去った。", "ja"), "彼は去った。");
  EXPECT_EQ(cleaned("彼は去った。町は{{nosuch|5}}年続いた。", "ja"), "彼は去った。");
  EXPECT_EQ(cleaned("他{{nosuch|1990}}歲。他离开了。", "zh"), "他离开了。");
  EXPECT_EQ(cleaned("1990{{nosuch|n}}年、彼は去った{{nosuch|n}}。", "ja"), "1990年、彼は去った。");
}

TEST(UnknownTemplates, BetweenQuotationMarksTakeTheirSentence) {
  EXPECT_EQ(cleaned("The form \"{{nosuch|x}}\" is old. He left."), "He left.");
  EXPECT_EQ(cleaned("Das Wort „{{nosuch|x}}“ ist alt. Sie blieb.", "de"), "Sie blieb.");
  EXPECT_EQ(cleaned("彼は「{{nosuch|x}}」と言った。彼は去った。", "ja"), "彼は去った。");
}

TEST(UnknownTemplates, AfterADayTakeTheWholeSentence) {
  EXPECT_EQ(cleaned("Er kam am 3. Mai nach {{nosuch}}. Sie blieb.", "de"), "Sie blieb.");
  EXPECT_EQ(cleaned("Narodil se 3. května v {{nosuch}}. Zemřel.", "cs"), "Zemřel.");
  EXPECT_EQ(cleaned("It had 3. Then he came to {{nosuch}}. He left."), "It had 3. He left.");
}

TEST(UnknownTemplates, DirectlyBeforeATitleTakeTheWholeSentence) {
  EXPECT_EQ(cleaned("He is credited as {{nosuch}}Mr. Lawrence and as Doug. He left."), "He left.");
}

TEST(UnknownTemplates, ThatStandAsAWordTakeTheirSentence) {
  EXPECT_EQ(cleaned("He is {{nosuch|1990|1|2}} years old. He left."), "He left.");
  EXPECT_EQ(cleaned("A river of length {{nosuch|5|km}}, flowing west. He left."), "He left.");
  EXPECT_EQ(cleaned("He left. {{nosuch|5|km}} of roads run there."), "He left.");
  EXPECT_EQ(cleaned("{{nosuch|X}} is a town. He left."), "He left.");
  EXPECT_EQ(cleaned("It measures {{nosuch|5}}&nbsp;km there. He left."), "He left.");
  EXPECT_EQ(cleaned("He won {{#invoke:Count|all|x}} times. He left."), "He left.");
  EXPECT_EQ(cleaned("It has {{nowrap|{{nosuch|5}}}} gates now. He left."), "He left.");
  EXPECT_EQ(cleaned("Ему {{nosuch|1990|1|2}} лет. Он ушёл.", "ru"), "Он ушёл.");
  EXPECT_EQ(cleaned("그는 {{nosuch|1990}} 세이다. 그는 떠났다.", "ko"), "그는 떠났다.");
}

TEST(UnknownTemplates, BeforeALinkTakeTheirSentenceInProse) {
  EXPECT_EQ(cleaned("It lost {{nosuch|dental}} [[fricative]]s. He left."), "He left.");
  EXPECT_EQ(cleaned("It lost {{nosuch|dental}} ''sounds'' then. He left."), "He left.");
}

TEST(UnknownTemplates, InTheLabelOfALinkTakeTheirSentence) {
  EXPECT_EQ(cleaned("In the [[20th century|century {{nosuch|XX}}]], it grew. He left."), "He left.");
  EXPECT_EQ(cleaned("It was [[War|of {{nosuch|5}} men]] there. He left."), "He left.");
  EXPECT_EQ(cleaned("It was in [[Town|{{nosuch|x}}]], a town. He left."), "He left.");
  EXPECT_EQ(cleaned("It was in [[{{nosuch|x}}]] there. He left."), "He left.");
  EXPECT_EQ(cleaned("It was [[War|of men{{nosuch|5}}]] there. He left."), "It was of men there. He left.");
}

TEST(UnknownTemplates, ThatStandAsANoteLeaveTheirSentence) {
  EXPECT_EQ(cleaned("He left{{nosuch|note 5}}. He came{{nosuch|n}} home."), "He left. He came home.");
  EXPECT_EQ(cleaned("He left. {{nosuch|note}} Then he came {{nosuch|date=May}} home."),
            "He left. Then he came home.");
  EXPECT_EQ(cleaned("{{nosuch|x}} '''Abel''' is.\n* He beat {{nosuch|FRA}} [[Bo]]."),
            "Abel is.\nHe beat Bo.");
  EXPECT_EQ(cleaned("He saw {{nosuch|FRA}} [[File:a.png|20px]] there."), "He saw there.");
  EXPECT_EQ(cleaned("A [http://x.org page] {{nosuch|de}} of it, {{nosuch|[[File:a.png]]}} said."),
            "A page of it, said.");
  EXPECT_EQ(cleaned("== Life {{nosuch|x}} there ==\nText."), "Life there\nText.");
}

TEST(UnknownTemplates, InAWordTakeTheSentence) {
  EXPECT_EQ(cleaned("It is H{{nosuch|2}}O. He left."), "He left.");
  EXPECT_EQ(cleaned("A {{nosuch}}-based form. {{nosuch}}'s wife left. He left."), "He left.");
  EXPECT_EQ(cleaned("Budapest {{nosuch}}-ban van. Elment.", "hu"), "Elment.");
  EXPECT_EQ(cleaned("Il vint à l'{{nosuch}} hier. Elle part.", "fr"), "Elle part.");
  EXPECT_EQ(cleaned("הוא גר ב{{nosuch}} שנים. הוא הלך.", "he"), "הוא הלך.");
  EXPECT_EQ(cleaned("كان في المدينة و{{nosuch}} سنة. ذهب.", "ar"), "ذهب.");
}

TEST(UnknownTemplates, InAFormulaTakeItsSentence) {
  EXPECT_EQ(cleaned("The area {{math|{{nosuch}}''r''²}} grew. He left."), "He left.");
  EXPECT_EQ(cleaned("The area {{nowrap|5 km² {{nosuch}}}} grew."), "The area 5 km² grew.");
}

TEST(ValuesKeptElsewhere, TakeTheirSentence) {
  EXPECT_EQ(cleaned("Žije zde {{Počet obyvatel}} obyvatel. Teče tu Labe.", "cs"), "Teče tu Labe.");
  EXPECT_EQ(cleaned("It has {{formatnum:{{#property:P1082}}}} people. He left."), "He left.");
  EXPECT_EQ(cleaned("It has {{nowrap|{{wikidata|property|P1082}} people}} now. He left."), "He left.");
  EXPECT_EQ(cleaned("A town (of {{wikidata|x}} people) fell. He left."), "A town fell. He left.");
}

TEST(ListsInTemplates, EndBeforeWhatFollowsThem) {
  EXPECT_EQ(cleaned("Members: {{plainlist|\n* Ann\n* Bob\n}} and others."),
            "Members:\nAnn\nBob\nand others.");
}

TEST(UnknownTemplates, ThatMayBeNotesLeaveTheirSentence) {
  EXPECT_EQ(cleaned("He left the town{{nosuch}}. It grew {{nosuch}} fast."),
            "He left the town. It grew fast.");
  EXPECT_EQ(cleaned("彼は去った{{nosuch}}。町は{{nosuch}}、栄えた。", "ja"), "彼は去った。町は、栄えた。");
  EXPECT_EQ(cleaned("He came in {{citation needed}} then."), "He came in then.");
}

TEST(UnknownTemplates, InBracketsTakeTheseAlone) {
  EXPECT_EQ(cleaned("It cost $5 (${{nosuch|5}} at 2020 prices). He left."), "It cost $5. He left.");
  EXPECT_EQ(cleaned("Ann (born in {{nosuch}}, died in {{nosuch}}) was rich (in {{nosuch}})."),
            "Ann was rich.");
  EXPECT_EQ(cleaned("It cost ${{formatnum:{{nosuch|5}}}} today. He left."), "He left.");
}

TEST(UnknownTemplates, AfterAnAbbreviationTakeTheWholeSentence) {
  EXPECT_EQ(cleaned("Он жил в V в. до н. э. в {{nosuch}}. Он ушёл.", "ru"), "Он ушёл.");
  EXPECT_EQ(cleaned("Поэт А. С. Роу жил в {{nosuch}}. Он ушёл.", "ru"), "Он ушёл.");
  EXPECT_EQ(cleaned("Он пришёл. Он жил в {{nosuch}}. Он ушёл.", "ru"), "Он пришёл. Он ушёл.");
}

TEST(UnknownTemplates, TakeNoMoreThanTheirSentence) {
  EXPECT_EQ(cleaned("He met Dr. Roe in {{nosuch}}. The war ended. He left."), "The war ended. He left.");
  EXPECT_EQ(cleaned("* Ann in {{nosuch}}\n* Bob"), "Bob");
  EXPECT_EQ(cleaned("== Life in {{nosuch}} ==\nText."), "Life in\nText.");
}

TEST(Gaps, InAListItemLeaveNoEmptyItem) {
  EXPECT_EQ(cleaned("* {{x}}\n* [[File:a.jpg]]\n* b"), "b");
}

}  // namespace
}  // namespace pretrain::test
