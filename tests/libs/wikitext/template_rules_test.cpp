// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/template_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/wikitext/embedded_data.h"
#include "tests/libs/wikitext/cleaner_testing.h"

namespace pretrain::test {
namespace {

using testing::HasSubstr;
using wikitext::RuleFileFault;
using wikitext::TemplateRules;

/// `wikitext` with the rules of a file.
std::string cleaned_by(const std::string& rules, const std::string& wikitext,
                       const std::string& language = "en") {
  WikitextCleaner cleaner(WikiSite{.language = language, .namespaces = {}},
                          wikitext::parse_template_rules(rules, "rules.txt"));
  std::string text;
  cleaner.clean(wikitext, text, "Title");
  return text;
}

/// The message for a file with a mistake; "" when it has none.
std::string message_for(const std::string& rules) {
  try {
    wikitext::parse_template_rules(rules, "my.rules");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return error.what();
  }
  return "";
}

struct Rule {
  const char* rules;
  const char* wikitext;
  const char* text;
  const char* language = "en";
};

void PrintTo(const Rule& rule, std::ostream* out) {
  *out << rule.rules << ": " << rule.wikitext;
}

class OwnRule : public testing::TestWithParam<Rule> {};

TEST_P(OwnRule, GivesTheTextOfACall) {
  EXPECT_EQ(cleaned_by(GetParam().rules, GetParam().wikitext, GetParam().language), GetParam().text);
}

constexpr Rule kRules[] = {
    {"foo -> $1", "a {{foo|b|c}} d", "a b d"},
    {"foo | bar -> <$2>", "{{bar|b|c}} {{Foo|x|y}}", "<c> <y>"},
    {"foo |\n bar -> $L", "{{bar|b|c}}", "c"},
    {"# no\nfoo -> $(x|2|1)", "{{foo|a|b|x=c}} {{foo|a|b}} {{foo|a}}", "c b a"},
    {"foo -> $(1|=none) here", "{{foo}} {{foo|a}}", "none here a here"},
    {"foo -> $1{ ($2{, $3})}", "{{foo|a}} {{foo|a|b}} {{foo|a|b|c}}", "a a (b) a (b, c)"},
    {"foo -> $* / $_ / $,", "{{foo|a|b}}", "ab / a b / a, b"},
    {"foo -> \\n$/\\n", "x {{foo|a|b}} y", "x\na\nb\ny"},
    {"elsewhere: foo", "He has {{foo}} cats. He left.", "He left."},
    {"foo* -> $N of $1", "{{Foo bar|x}}", "Foo bar of x"},
    {"<roman>e siècle -> $N", "le {{XXe siècle}} et", "le XXe siècle et"},
    {"<n>e -> $N", "le {{21e}} et {{xe}}", "le 21e et"},
    {"a<n>b* -> $N!", "{{a12bc}} {{a12b}}", "a12bc!"},
    {"foo -> $?(1: I=er|e)", "{{foo|I}} {{foo|II}} {{foo}}", "er e e"},
    {"foo -> $?(1: =none|x=cross|other)", "{{foo}} {{foo|X}} {{foo|y}}", "none cross other"},
    {"list months: 1=January|2=February\nfoo -> $?(1: @months)", "{{foo|02}} {{foo|1}}", "February January"},
    {"foo -> a{$?(1: x=cross)}b", "{{foo|x}} {{foo|y}}", "acrossb ab"},
    {"foo -> \\$1 \\{$1\\} \\\\", "{{foo|a}}", "$1 {a} \\"},
    {"foo -> \\s$1\\s", "a{{foo|b}}c", "a b c"},
    {"foo -> $number(1) $raise(2)", "{{foo|12345|-3}}", "12,345 ⁻³"},
    {"foo -> $title()", "{{foo}} is", "Title is"},
    {"foo -> \\n$1\\n", "a {{foo|b\n\nc}}", "a\nb\nc"},
    {"wikis: fr it\nfoo -> local\nwikis: all\nfoo -> general", "{{foo}}", "local", "it"},
    {"wikis: fr it\nfoo -> local\nwikis: all\nfoo -> general", "{{foo}}", "general", "de"},
    {"wikis: en\nfoo -> local\nwikis: all\nfoo -> general", "{{foo}}", "local", "simple"},
    {"nowrap -> ($1)", "a {{nowrap|b}}", "a (b)"},
    {"nothing: nowrap", "a {{nowrap|b}} c", "a c"},
    {"foo: -> <$1>", "{{foo:a|b}}", "<a>"},
    {"BAR -> Barbados\nbar -> bars", "{{BAR}} {{bAR}} {{bar}} {{Bar}} {{BaR}}",
     "Barbados Barbados bars bars bars"},
    {"BAR -> Barbados", "It is {{BAR}}. It has {{bar|x}} fish.", "It is Barbados."},
    {"fooBar baz -> a", "{{FooBar baz}} {{fooBar_baz}} {{Template:fooBar baz}}. {{foobar baz}}", "a a a."},
    {"Čao -> a\nЙод -> b", "{{čao}} {{йод}} {{ЙОД}}", "a b b"},
    {"usa -> here", "{{USA}} {{Usa}}", "here here"},
    {"X<n>Y -> $N!", "{{X1Y}} {{x2Y}} {{x3y}}", "X1Y! x2Y!"},
    {"Ab<roman>C -> $N!", "{{AbXIVC}} {{abxivC}}", "AbXIVC! abxivC!"},
};
INSTANTIATE_TEST_SUITE_P(Each, OwnRule, testing::ValuesIn(kRules));

TEST(OwnRules, CanMarkDisambiguationPages) {
  WikitextCleaner cleaner(WikiSite{.language = "en", .namespaces = {}},
                          wikitext::parse_template_rules("disambiguation: many things", "rules.txt"));
  EXPECT_TRUE(cleaner.is_disambiguation("'''A''' may be:\n* B\n{{Many things|x}}"));
  EXPECT_FALSE(cleaner.is_disambiguation("'''A''' is b. {{Few things}}"));
}

struct Mistake {
  const char* rules;
  const char* message;
};

void PrintTo(const Mistake& mistake, std::ostream* out) {
  *out << mistake.rules;
}

class RuleMistake : public testing::TestWithParam<Mistake> {};

TEST_P(RuleMistake, IsReportedWithItsLine) {
  EXPECT_THAT(message_for(GetParam().rules), HasSubstr(GetParam().message));
}

constexpr Mistake kMistakes[] = {
    {"foo -> a\nbar -> b\nfoo -> c", "my.rules:3: foo is listed twice; line 1 has it, too"},
    {"wikis: fr\nfoo | foo -> a", "my.rules:2: foo is listed twice for fr"},
    {"wikis: fr it\nfoo -> a\nwikis: de it\nfoo -> b",
     "my.rules:4: foo is listed twice for it; line 2 has it"},
    {"Foo -> a\nfoo -> b", "my.rules:2: foo is listed twice"},
    {"BAR -> a\nbar -> b\nbAR -> c", "my.rules:3: bAR is listed twice; line 1 has it, too"},
    {"usa | USA -> a", "usa is listed twice: in small letters it fits all spellings; remove one"},
    {"foo[x] -> a", "\"foo[x]\" can't be a template"},
    {"foo -> $(1|1)", "1 is listed twice, and the second can't match"},
    {"foo -> $?(1: a=x|a=y)", "the choice \"a\" can't match"},
    {"foo -> $?(1: x|a=y)", "the choice \"a\" can't match"},
    {"foo -> $?(1: a=x|b)\nbar -> $?(1: a|b)", "my.rules:2: the choice \"(any other)\" can't match"},
    {"foo -> {$1", "a { is never closed"},
    {"foo -> $1}", "there is a } without a {"},
    {"foo -> {a} $1", "the braces hold no argument"},
    {"foo -> $(1", "a ( after $ is never closed"},
    {"foo -> $0", "$0 is no argument"},
    {"foo -> $(a|)", "is no argument"},
    {"foo -> $X", "$X has no meaning"},
    {"foo -> \\x", "\\x has no meaning"},
    {"foo -> $nonsense(1)", "$nonsense is not a function; use one of as_of, "},
    {"foo -> $number", "$number needs brackets"},
    {"foo -> $convert(1)", "$convert() takes nothing in its brackets"},
    {"foo -> $?(1 a)", "the choice has no colon"},
    {"foo -> $?(1: @none)", "@none is not a list"},
    {"list a: 1=x\nlist a: 2=y", "my.rules:2: the list a is there already"},
    {"list A b: 1=x", "the list has no name"},
    {"wikis: xx", "xx is the code of no Wikipedia"},
    {"wikis:", "no wiki is named"},
    {"foo", "this is no rule"},
    {"foo ->", "the rule has no text"},
    {" -> x", "the rule has no name"},
    {"a -> b\nfoo |", "my.rules:2: the last line ends with a bar"},
    {"foo -> {{{{{$1}}}}}", "braces are nested more than 4 deep"},
    {"foo -> $X\nbar -> $Y\nbaz -> $Z", "(2 more after it)"},
};
INSTANTIATE_TEST_SUITE_P(Each, RuleMistake, testing::ValuesIn(kMistakes));

TEST(TemplateRules, OfTheProgramHaveNoMistake) {
  std::vector<RuleFileFault> faults;
  const TemplateRules rules = TemplateRules::read(wikitext::template_rules_text(), faults);
  for (const RuleFileFault& fault : faults)
    ADD_FAILURE() << "template_rules.txt:" << fault.line << ": " << fault.fault.problem << "; "
                  << fault.fault.remedy;
  EXPECT_GT(rules.rules().size(), 300U);
}

TEST(TemplateRules, AreKnownByTheHashOfTheirFile) {
  const auto one = wikitext::parse_template_rules("foo -> a", "x");
  const auto other = wikitext::parse_template_rules("foo -> b", "x");
  EXPECT_NE(one->hash(), other->hash());
  EXPECT_EQ(one->hash(), wikitext::parse_template_rules("foo -> a", "y")->hash());
}

TEST(TemplateRules, OfAnyBytesAreReadOrRefused) {
  for (const char* text :
       {"", "\n\n", "|", "->", "-> ->", "list", "list :", "$", "foo -> $", "foo -> $(", "foo -> \\",
        "foo -> $?", "foo -> $?(", "foo -> {", "\xff\xfe -> \xff", "wikis: \n", "a -> $?(:)", "a -> ${"}) {
    std::vector<RuleFileFault> faults;
    const TemplateRules rules = TemplateRules::read(text, faults);
    for (const auto& rule : rules.rules()) EXPECT_FALSE(rule.names.empty());
  }
}

TEST(Families, MatchWholeNames) {
  EXPECT_TRUE(wikitext::is_in_family("lang-*", "lang-de"));
  EXPECT_FALSE(wikitext::is_in_family("lang-*", "lang-"));
  EXPECT_TRUE(wikitext::is_in_family("<roman>e", "xive"));
  EXPECT_TRUE(wikitext::is_in_family("<roman>e", "mdcclxe"));
  EXPECT_FALSE(wikitext::is_in_family("<roman>e", "xivee"));
  EXPECT_FALSE(wikitext::is_in_family("<roman>e", "axe"));
  EXPECT_FALSE(wikitext::is_in_family("<roman>e", "vide"));
  EXPECT_FALSE(wikitext::is_in_family("<roman>e", "ce"));
  EXPECT_FALSE(wikitext::is_in_family("<roman>e", "iiiie"));
  EXPECT_TRUE(wikitext::is_in_family("<n>er *", "1er mars"));
  EXPECT_FALSE(wikitext::is_family("*"));
}

}  // namespace
}  // namespace pretrain::test
