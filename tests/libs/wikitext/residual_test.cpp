// SPDX-License-Identifier: Apache-2.0
// How many documents of each real dump still hold markup after cleaning.

#include <algorithm>
#include <cstdio>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/libs/wikitext/cleaner_testing.h"
#include "tests/libs/wikitext/dump_pages.h"
#include "tests/libs/wikitext/residual_markup.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Dump {
  const char* file;
  const char* language;
  size_t least_documents;
};

void PrintTo(const Dump& dump, std::ostream* out) {
  *out << dump.file;
}

struct Rate {
  size_t documents = 0;
  size_t with_markup = 0;
  size_t shown = 0;  ///< of these, those whose page shows that markup to its readers, as in nowiki
};

/// What the page shows as literal text: the content of its nowiki tags.
std::string literal_text(std::string_view wikitext) {
  constexpr std::string_view kOpening = "<nowiki>";
  std::string text;
  for (size_t at = wikitext.find(kOpening); at != std::string_view::npos; at = wikitext.find(kOpening, at)) {
    at += kOpening.size();
    text += wikitext.substr(at, wikitext.find("</nowiki", at) - at);
  }
  return text;
}

bool shows(const std::string& literal, const std::vector<std::string>& markup) {
  return std::ranges::all_of(markup,
                             [&](const std::string& m) { return literal.find(m) != std::string::npos; });
}

Rate rate_of(const std::vector<DumpPage>& pages, const std::string& language) {
  WikitextCleaner cleaner(WikiSite{.language = language, .namespaces = {}});
  Rate rate;
  for (const DumpPage& page : pages) {
    if (page.space != "0" || page.redirect || cleaner.is_redirect(page.wikitext)) continue;
    std::string text;
    cleaner.clean(page.wikitext, text);
    ++rate.documents;
    const auto markup = residual_markup(text);
    if (markup.empty()) continue;
    ++rate.with_markup;
    const bool shown = shows(literal_text(page.wikitext), markup);
    rate.shown += shown ? 1 : 0;
    std::printf("  %s: %s%s\n", page.title.c_str(), markup.front().c_str(),
                shown ? ", shown by the page" : "");
  }
  return rate;
}

class RealDump : public testing::TestWithParam<Dump> {};

TEST_P(RealDump, KeepsMarkupInAtMostOneDocumentOfTwoHundred) {
  const auto folder = real_data_folder();
  if (!folder) GTEST_SKIP() << "no real data";
  const Rate rate = rate_of(pages_of_dump(*folder / GetParam().file), GetParam().language);
  std::printf("%s: %zu of %zu documents hold markup, %zu of them because the page shows it\n",
              GetParam().file, rate.with_markup, rate.documents, rate.shown);
  EXPECT_GE(rate.documents, GetParam().least_documents);
  EXPECT_LE(200 * (rate.with_markup - rate.shown), rate.documents);
}

constexpr Dump kDumps[] = {
    {"dumps/enwiki-20090902-pages-articles-sample.xml", "en", 2},
    {"dumps/enwiki-2015-head.xml", "en", 18},
    {"dumps/enwiki-2022-head-unclosed.xml.bz2", "en", 138},
    {"dumps/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2", "en", 100},
    {"dumps/derived-multistream/enwiki-shortened-multistream.xml.bz2", "en", 100},
    {"dumps/enwiki-table-markup.xml.bz2", "en", 5},
    {"dumps/ltgwiki-2017-pages-articles.xml", "ltg", 800},
    {"dumps/aawiki-20260101-pages-meta-current.xml.bz2", "aa", 1},
    {"dumps/mini/macbre-dump.xml.bz2", "fo", 1},
    {"dumps/page-fragments/hiwiki-pages.xml", "hi", 3},
    {"dumps/page-fragments/dewiki-20130602-id81.xml", "de", 1},
    {"dumps/page-fragments/dewiki-20130602-id5.xml", "de", 1},
    {"dumps/page-fragments/enwiki-20120104-id12.xml", "en", 1},
    {"dumps/page-fragments/enwiki-20120104-id303.xml", "en", 1},
    {"dumps/simplewiki-2019/simplewiki.xml", "simple", 6},
    {"dumps/tinywiki-pages-articles.xml", "en", 7},
    {"dumps/viwiki-20240701-pages-articles-multistream4.xml", "vi", 120},
    {"dumps/zhwiki-2018-test-pages.xml", "zh", 20},
    {"nasty/utf16le-bgwiki-latest-pages-articles-shortened.xml.bz2", "bg", 1},
};
INSTANTIATE_TEST_SUITE_P(Each, RealDump, testing::ValuesIn(kDumps));

TEST(ResidualMarkup, IsFound) {
  EXPECT_THAT(residual_markup("a {{b}} [[c]] '''d'''"), ElementsAre("{{", "}}", "[[", "]]", "'''", "'''"));
  EXPECT_THAT(residual_markup("a<br /> </div> <ref name=x>"), ElementsAre("<ref", "<br />", "</div>"));
}

TEST(ResidualMarkup, IsNotSeenInProse) {
  EXPECT_THAT(residual_markup("if a < b and c > d, write to <me@example.com>; {a} [b] 'c'"), IsEmpty());
}

}  // namespace
}  // namespace pretrain::test
