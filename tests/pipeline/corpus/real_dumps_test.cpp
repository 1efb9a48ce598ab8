// SPDX-License-Identifier: Apache-2.0
// Real MediaWiki dumps, in the folder that tests/support/temp_folder.h names. What the cleaner makes of their
// text is tested elsewhere; here it counts which pages come through.

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "pipeline/corpus/corpus_reader.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::documents_of;
using test::options_for;
using test::read_epoch;
using test::skips_of;
using testing::HasSubstr;

struct Epoch {
  std::vector<Ticket> tickets;
  size_t documents = 0;
  std::map<SkipReason, uint64_t> unwanted;
  std::string reasons;
};

class RealDumps : public testing::Test {
 protected:
  void SetUp() override {
    const auto folder = test::real_data_folder();
    if (!folder) GTEST_SKIP() << "no folder with real data; set PRETRAIN_TEST_DATA";
    folder_ = *folder;
  }

  Epoch read(const std::string& name, const std::string& namespaces = "0") const {
    CorpusOptions options = options_for(folder_ / name);
    options.pages = parse_namespaces(namespaces);
    options.pages.disambiguation = Disambiguation::kKeep;
    Epoch epoch;
    epoch.tickets = read_epoch(options);
    epoch.documents = documents_of(epoch.tickets).size();
    for (const Ticket& ticket : epoch.tickets) {
      for (const auto& [reason, count] : ticket.unwanted) epoch.unwanted[reason] += count;
    }
    epoch.reasons = test::reasons_of(skips_of(epoch.tickets));
    return epoch;
  }

  Path folder_;
};

TEST_F(RealDumps, InOneStreamOrManyHaveTheSameArticles) {
  const Epoch many = read("dumps/derived-multistream");
  const Epoch one = read("dumps/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2");
  EXPECT_EQ(one.documents, 106U);
  EXPECT_EQ(one.unwanted,
            (std::map<SkipReason, uint64_t>{{SkipReason::kOtherNamespace, 1}, {SkipReason::kRedirect, 99}}));
  EXPECT_EQ(many.unwanted, one.unwanted);
  const auto sorted = [](const Epoch& epoch) {
    const auto documents = documents_of(epoch.tickets);
    return std::multiset<std::string>(documents.begin(), documents.end());
  };
  EXPECT_EQ(sorted(many), sorted(one));
  const Catalog& catalog = *many.tickets[0].catalog;
  ASSERT_EQ(catalog.rejected.size(), 1U);
  EXPECT_THAT(catalog.rejected[0].reason, HasSubstr("index"));
}

TEST_F(RealDumps, HaveTheirArticlesAndNoFaults) {
  struct Case {
    const char* name;
    size_t pages;  // of namespace 0 without redirects
  };
  for (const auto& [name, pages] :
       {Case{"dumps/enwiki-2015-head.xml", 18}, Case{"dumps/enwiki-2022-head-unclosed.xml.bz2", 139},
        Case{"dumps/enwiki-table-markup.xml.bz2", 5}, Case{"dumps/simplewiki-2019/simplewiki.xml", 6},
        Case{"dumps/simplewiki-2019/simplewiki.xml.bz2", 6}, Case{"dumps/zhwiki-2018-test-pages.xml", 23},
        Case{"dumps/enwiki-20090902-pages-articles-sample.xml", 2},
        Case{"dumps/page-fragments/hiwiki-pages.xml", 4},
        Case{"dumps/page-fragments/dewiki-20130602-id1.xml", 1},
        Case{"dumps/page-fragments/enwiki-20120104-id12.xml", 1}, Case{"dumps/mini/python-mwxml-dump.xml", 1},
        Case{"dumps/mini/macbre-dump.xml", 1},
        Case{"dumps/viwiki-20240701-pages-articles-multistream4.xml", 129},
        Case{"nasty/zhwiki-broken-2.xml", 1}}) {
    const Epoch epoch = read(name);
    EXPECT_EQ(epoch.documents, pages) << name;
    EXPECT_EQ(epoch.reasons, "") << name;
  }
}

TEST_F(RealDumps, OfWholeSmallWikisAreMostlyOtherNamespaces) {
  const Epoch latgalian = read("dumps/ltgwiki-2017-pages-articles.xml");
  EXPECT_EQ(
      latgalian.documents + latgalian.unwanted.at(SkipReason::kRedirect) + skips_of(latgalian.tickets).size(),
      1050U);
  EXPECT_EQ(latgalian.unwanted.at(SkipReason::kOtherNamespace), 2004U - 1050U);
  Epoch afar;
  try {
    afar = read("dumps/aawiki-20260101-pages-meta-current.xml.bz2");
    EXPECT_EQ(afar.documents, 2U);
  } catch (const Error& error) {  // its two articles may be empty
    EXPECT_THAT(error.what(), HasSubstr("no text to train on"));
  }
}

TEST_F(RealDumps, ThatAreBrokenCostOnePageEach) {
  EXPECT_EQ(read("nasty/zhwiki-broken-1.xml", "0,4").reasons, "1 x page without a title");
  EXPECT_EQ(read("nasty/zhwiki-broken-3.xml", "0,4").reasons, "1 x page without text");
  EXPECT_EQ(read("nasty/zhwiki-broken-4.xml", "0,4").reasons, "1 x empty");
}

TEST_F(RealDumps, CutInTheMiddleGiveTheirWholePages) {
  const Epoch cut = read("nasty/truncated.xml.bz2");
  EXPECT_EQ(cut.documents, 60U);
  EXPECT_EQ(cut.reasons, "1 x page cut by a damaged block, 1 x truncated bzip2 stream");
}

TEST_F(RealDumps, InUtf16AreRejectedWithAReason) {
  try {
    read("nasty/utf16le-bgwiki-latest-pages-articles-shortened.xml.bz2");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("UTF-16 text; convert it to UTF-8 first"));
  }
}

}  // namespace
}  // namespace pretrain
