// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <gtest/gtest.h>

#include "libs/wikitext/cleaner.h"
#include "tests/libs/wikitext/cleaner_testing.h"

namespace pretrain::test {
namespace {

/// The text of a function in a sentence; brackets around nothing go with it.
std::string computed(const std::string& call, const std::string& language = "en") {
  const std::string text = cleaned("A [" + call + "] z.", language);
  if (text == "A z.") return "";
  const size_t start = text.find('[');
  const size_t end = text.rfind(']');
  return start == std::string::npos || end == std::string::npos ? text
                                                                : text.substr(start + 1, end - start - 1);
}

std::string expression(const std::string& text) {
  return computed("{{#expr: " + text + " }}");
}

TEST(ParserFunctions, ComputeExpressions) {
  EXPECT_EQ(expression("1 + 2 * 3"), "7");
  EXPECT_EQ(expression("(1 + 2) * 3 - -4"), "13");
  EXPECT_EQ(expression("10 / 4"), "2.5");
  EXPECT_EQ(expression("-2 ^ 2"), "4");
  EXPECT_EQ(expression("2 ^ 3 ^ 2"), "64");
  EXPECT_EQ(expression("17 mod 5 + -17 mod 5"), "0");
  EXPECT_EQ(expression("7 div 2"), "3.5");
  EXPECT_EQ(expression("1 / 3"), "0.33333333333333");
  EXPECT_EQ(expression("1e3 + 2.5e-1"), "1000.25");
  EXPECT_EQ(expression("10 ^ 20"), "1.0E+20");
  EXPECT_EQ(expression("5 − 7"), "-2");
  EXPECT_EQ(expression("trunc -3.7 + floor 2.9 + ceil 1.1 + abs -1"), "2");
  EXPECT_EQ(expression("1234567890123 + 1"), "1234567890124");
}

TEST(ParserFunctions, RoundHalfAwayFromZero) {
  EXPECT_EQ(expression("2.5 round 0"), "3");
  EXPECT_EQ(expression("-2.5 round 0"), "-3");
  EXPECT_EQ(expression("1.005 round 2"), "1.01");
  EXPECT_EQ(expression("1234 round -2"), "1200");
  EXPECT_EQ(expression("10 / 3 round 2"), "3.33");
}

TEST(ParserFunctions, CompareAndJoinTruths) {
  EXPECT_EQ(expression("1 < 2 and 2 <= 2"), "1");
  EXPECT_EQ(expression("3 &lt; 2 or not 0"), "1");
  EXPECT_EQ(expression("1 = 1 and 1 != 1"), "0");
  EXPECT_EQ(expression("1 <> 2"), "1");
  EXPECT_EQ(expression("not (1 >= 2)"), "1");
}

TEST(ParserFunctions, ShowNothingOfAMistakeInAnExpression) {
  for (const char* wrong :
       {"1 +", "* 2", "(1", "1)", "1 2", "1 / 0", "1 mod 0", "two", "1,000", "3 round", "()", "2 (3)", "."})
    EXPECT_EQ(expression(wrong), "") << wrong;
}

TEST(ParserFunctions, CompareNumbersByValueAndTextsAsWritten) {
  EXPECT_EQ(computed("{{#ifeq: 01 | 1.0 | same | other }}"), "same");
  EXPECT_EQ(computed("{{#ifeq: a | A | same | other }}"), "other");
  EXPECT_EQ(computed("{{#ifeq: a | a | same }}"), "same");
  EXPECT_EQ(computed("{{#ifeq: a | b | same }}"), "");
}

TEST(ParserFunctions, ChooseByExpressionsAndErrors) {
  EXPECT_EQ(computed("{{#ifexpr: 2 > 1 | yes | no }}"), "yes");
  EXPECT_EQ(computed("{{#ifexpr: | yes | no }}"), "no");
  EXPECT_EQ(computed("{{#iferror: {{#expr: 1 / 0}} | bad | good }}"), "bad");
  EXPECT_EQ(computed("{{#iferror: {{#expr: 1 + 1}} | bad }}"), "2");
  EXPECT_EQ(computed("{{#iferror: {{#expr: 1 + 1}} | bad | good }}"), "good");
  EXPECT_EQ(computed("{{#if: x | large | small }} {{#if: | old | new }}"), "large new");
}

TEST(ParserFunctions, SwitchAsMediaWikiDoes) {
  EXPECT_EQ(computed("{{#switch: b | a = 1 | b = 2 | 3 }}"), "2");
  EXPECT_EQ(computed("{{#switch: a | a | b = 2 | 3 }}"), "2");
  EXPECT_EQ(computed("{{#switch: x | a | b = 2 | 3 }}"), "3");
  EXPECT_EQ(computed("{{#switch: x | #default = 4 | a = 1 }}"), "4");
  EXPECT_EQ(computed("{{#switch: x | a | #default = 4 | b = 1 }}"), "4");
  EXPECT_EQ(computed("{{#switch: x | #default | b = 1 | c = 2 }}"), "1");
  EXPECT_EQ(computed("{{#switch: 2 | 02 = two | 3 }}"), "two");
  EXPECT_EQ(computed("{{#switch: x | a = 1 }}"), "");
  EXPECT_EQ(computed("{{#switch: a\n | a = x=y\n | b = 2\n}}"), "x=y");
}

TEST(ParserFunctions, ChangeCaseInAllScriptsThatHaveIt) {
  EXPECT_EQ(computed("{{uc:straße élan ж ω}} {{lc:ÉLAN_Ж Ω}}"), "STRASSE ÉLAN Ж Ω élan_ж ω");
  EXPECT_EQ(computed("{{ucfirst:éa}} {{lcfirst:ŽA}} {{ucfirst:ой}} {{uc:ạơ}}"), "Éa žA Ой ẠƠ");
  EXPECT_EQ(computed("{{ucfirst:ßa}} {{uc:ﬁnıς ŉ}} {{lc:ẞİ}} {{uc:ἀνήρ}}"), "ßa FINIΣ ʼN ßi̇ ἈΝΉΡ");
  EXPECT_EQ(computed("{{ucfirst:izmir}} {{lcfirst:Isparta}} {{ucfirst:ırmak}}", "tr"), "İzmir ısparta Irmak");
}

TEST(ParserFunctions, PadByCharacters) {
  EXPECT_EQ(computed("{{padleft:7|3}} {{padright:7|3|é}} {{padleft:abcd|3}} {{padleft:x|6|ab}}"),
            "007 7éé abcd ababax");
}

TEST(ParserFunctions, GroupAndUngroupDigits) {
  EXPECT_EQ(computed("{{formatnum:1234567.5}} {{formatnum:1,234.5|R}}"), "1,234,567.5 1234.5");
  EXPECT_EQ(computed("{{formatnum:1.234,5|R}} {{formatnum:12345|NOSEP}}", "de"), "1234.5 12345");
  EXPECT_EQ(computed("{{#expr: {{formatnum:1 234,5|R}} * 2}}", "fr"), "2469");
}

TEST(ParserFunctions, GroupDigitsAsTheLanguageDoes) {
  EXPECT_EQ(computed("{{formatnum:1234}} {{formatnum:12345.6}}", "es"), "1234 12 345,6");
  EXPECT_EQ(computed("{{formatnum:1234}} {{formatnum:3.14}}", "it"), "1 234 3,14");
  EXPECT_EQ(computed("{{formatnum:1234}}", "ca"), "1.234");
  EXPECT_EQ(computed("{{formatnum:1234}}", "ms"), "1,234");
}

TEST(ParserFunctions, HaveLocalNames) {
  EXPECT_EQ(computed("{{#si: x |oui|non}} {{#selon: c |a=1|#défaut=2}} {{#expr: 1 + 2}}", "fr"), "oui 2 3");
  EXPECT_EQ(computed("{{#תנאי: |a|b}} {{#ifeq: 1 | 1 |c|d}}", "he"), "b c");
}

TEST(ParserFunctions, GroupEachNumberOfAText) {
  EXPECT_EQ(computed("{{formatnum:1500 kg}} {{formatnum:1,234}} {{formatnum:0012345}}"),
            "1,500 kg 1,234 0012345");
  EXPECT_EQ(computed("{{formatnum:12345,6}} {{formatnum:-1234}}", "fr"), "12 345,6 -1 234");
}

TEST(ParserFunctions, CountInLakhsWhereTheLanguageDoes) {
  EXPECT_EQ(computed("{{formatnum:1234567}} {{formatnum:123456789.5}} {{formatnum:1234}}", "hi"),
            "12,34,567 12,34,56,789.5 1,234");
  EXPECT_EQ(computed("{{formatnum:1234567}}", "ta"), "12,34,567");
}

TEST(ParserFunctions, WriteTheDigitsOfTheWiki) {
  EXPECT_EQ(computed("{{formatnum:1234567.5}}", "bn"), "১২,৩৪,৫৬৭.৫");
  EXPECT_EQ(computed("{{formatnum:12345.6}} {{formatnum:12345|NOSEP}}", "fa"), "۱۲٬۳۴۵٫۶ ۱۲۳۴۵");
  EXPECT_EQ(computed("{{formatnum:12345.6}}", "ar"), "12٬345٫6");
  EXPECT_EQ(computed("{{formatnum:۱۲٬۳۴۵٫۶|R}} {{#expr: {{formatnum:۱۲|R}} + 1}}", "fa"), "12345.6 13");
  EXPECT_EQ(computed("{{#time:j F Y|1901-05-03}}", "fa"), "۳ مه ۱۹۰۱");
}

TEST(ParserFunctions, TakeThePluralOfTheLanguage) {
  EXPECT_EQ(
      computed(
          "{{plural:1|dog|dogs}} {{plural:0|dog|dogs}} {{plural:12=dozen|x}}{{plural:12|dog|dogs|12=dozen}}"),
      "dog dogs dozen");
  EXPECT_EQ(computed("{{plural:0|chien|chiens}} {{plural:2|chien|chiens}}", "fr"), "chien chiens");
  EXPECT_EQ(computed("{{plural:21|год|года|лет}} {{plural:3|год|года|лет}} {{plural:12|год|года|лет}}", "ru"),
            "год года лет");
  EXPECT_EQ(computed("{{plural:22|plik|pliki|plików}} {{plural:21|plik|pliki|plików}}", "pl"),
            "pliki plików");
}

TEST(ParserFunctions, FormatAStatedDate) {
  EXPECT_EQ(computed("{{#time:j F Y|2019-03-08}}"), "8 March 2019");
  EXPECT_EQ(computed("{{#time:F j, Y|8 March 2019}}"), "March 8, 2019");
  EXPECT_EQ(computed("{{#time:Y-m-d|March 8, 2019}}"), "2019-03-08");
  EXPECT_EQ(computed("{{#time:D, d M y H:i|20190308 14:05}}"), "Fri, 08 Mar 19 14:05");
  EXPECT_EQ(computed("{{#time:\"on\" l \\a\\t g A|2019-03-08T14:05:09Z}}"), "on Friday at 2 PM");
  EXPECT_EQ(computed("{{#time:xrY|2019-03}} {{#time:t z L|2020-02-29}}"), "MMXIX 29 59 1");
  EXPECT_EQ(computed("{{#time:j. n. Y|2019-03-08}}", "de"), "8. 3. 2019");
}

TEST(ParserFunctions, ShowNoDateThatThePageDoesNotState) {
  for (const char* call :
       {"{{#time:Y}}", "{{#time:Y|now}}", "{{#time:Y|2019-02-30}}", "{{#time:Q|2019-02-03}}"})
    EXPECT_EQ(computed(call), "") << call;
  EXPECT_EQ(computed("{{#time:j F Y|2019-03-08}}", "lez"), "");
}

TEST(ParserFunctions, NameMonthsAndDaysInTheLanguageOfTheWiki) {
  EXPECT_EQ(computed("{{#time:l, j. F Y (D, M)|2019-03-08}}", "de"), "Freitag, 8. März 2019 (Fr, Mär.)");
  EXPECT_EQ(computed("{{#time:F|2019-05}} {{#time:j xg Y|2019-05-03}}", "pl"), "maj 3 maja 2019");
  EXPECT_EQ(computed("{{#time:F|2019-05}} {{#time:j xg|2019-05-03}}", "ru"), "май 3 мая");
  EXPECT_EQ(computed("{{#time:j xg|2019-08-03}}", "ca"), "3 d'agost");
  EXPECT_EQ(computed("{{#time:Y年Fj日(D)|2019-05-03}}", "ja"), "2019年5月3日(金)");
  EXPECT_EQ(computed("{{#time:j F|2019-05-03|fi}} {{#time:j xg|2019-05-03}}"), "3 toukokuu 3 May");
}

TEST(ParserFunctions, NestInEachOtherAndInTemplates) {
  EXPECT_EQ(computed("{{#switch: {{lc:B}} | b = {{#ifexpr: 2 > 1 | {{uc:yes}} | no }} }}"), "YES");
  EXPECT_EQ(computed("{{nowrap|{{padleft:{{#expr:3+4}}|2}}}}"), "07");
  EXPECT_EQ(computed("{{convert|{{#expr: 2 * 3}}|km}}"), "6 kilometres");
}

TEST(ParserFunctions, GiveNoGuessWhereATemplateIsNotKnown) {
  EXPECT_EQ(computed("{{#ifeq: {{unheard of}} | x | same | other }}"), "");
  EXPECT_EQ(computed("{{#switch: {{unheard of}} | x = 1 | other }}"), "");
}

TEST(ParserFunctions, TakeTimeInProportionToTheirText) {
  const auto work = [](const std::string& page) {
    WikitextCleaner cleaner(WikiSite{.language = "en", .namespaces = {}});
    std::string text;
    cleaner.clean(page, text);
    return cleaner.examined_bytes();
  };
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "{{#if:x|{{#switch:a|a=";
  std::string brackets = "{{#expr:" + std::string(100000, '(') + "1" + std::string(100000, ')') + "}}";
  std::string cases = "{{#switch:x";
  for (int i = 0; i < 20000; ++i) cases += "|a" + std::to_string(i);
  cases += "}}";
  for (const std::string& page : {deep, brackets, cases}) EXPECT_LT(work(page), 60 * page.size());
  EXPECT_EQ(cleaned(brackets + " x"), "1 x");
}

}  // namespace
}  // namespace pretrain::test
