// SPDX-License-Identifier: Apache-2.0
// Whole dumps through the corpus reader: regions of compressed files, resumes, damage, what is counted.

#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "pipeline/corpus/corpus_reader.h"
#include "pipeline/corpus/sample.h"
#include "pipeline/corpus/scan.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::compress;
using test::documents_of;
using test::kDumpFoot;
using test::kDumpHead;
using test::multistream;
using test::options_for;
using test::page_of;
using test::random_pages;
using test::read_epoch;
using test::reasons_of;
using test::skips_of;
using test::TempFolder;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string joined(const std::vector<std::string>& pages) {
  std::string dump = kDumpHead;
  for (const std::string& page : pages) dump += page;
  return dump + kDumpFoot;
}

std::multiset<std::string> set_of(const std::vector<std::string>& documents) {
  return {documents.begin(), documents.end()};
}

/// The documents of one file, in any order.
std::multiset<std::string> documents_in(const std::string& bytes) {
  const TempFolder folder;
  folder.write("c/dump", bytes);
  const auto tickets = read_epoch(options_for(folder / "c"));
  EXPECT_THAT(skips_of(tickets), IsEmpty());
  return set_of(documents_of(tickets));
}

TEST(Dump, GivesTheSameDocumentsInEachForm) {
  const auto pages = random_pages(1, 120, 30'000);
  const auto expected = documents_in(joined(pages));
  EXPECT_EQ(expected.size(), pages.size());
  EXPECT_EQ(documents_in(multistream(pages, 7)), expected);
  for (const Compression compression : test::kAllCompressions) {
    EXPECT_EQ(documents_in(compress(joined(pages), compression)), expected) << compression_name(compression);
  }
  std::string fragments;
  for (const std::string& page : pages) fragments += page;
  EXPECT_EQ(documents_in(fragments), expected) << "pages without a root";
  EXPECT_EQ(documents_in(joined(pages).substr(0, joined(pages).size() - kDumpFoot.size())), expected)
      << "cut after a page";
}

TEST(Dump, InABzip2FileIsReadInRegionsOfTheFile) {
  const TempFolder folder;
  folder.write("c/many.xml.bz2", multistream(random_pages(2, 80, 40'000), 5));
  folder.write("c/one.xml.bz2", compress(joined(random_pages(3, 80, 40'000)), Compression::kBzip2));
  const CorpusOptions options = options_for(folder / "c");
  const Catalog catalog = scan_corpus(options);
  const auto regions = make_regions(catalog);
  EXPECT_GE(regions.size(), 5U);
  CorpusReader reader(options, catalog, {}, Role::kTraining);
  const auto first = documents_of(read_epoch(reader));
  const auto second = documents_of(read_epoch(reader));
  EXPECT_EQ(set_of(first).size(), 160U);
  EXPECT_EQ(set_of(first), set_of(second));
  EXPECT_NE(first, second) << "each epoch has an order of its own";
}

TEST(Dump, ResumesExactlyAfterEachTicketInsideAndBetweenRegions) {
  const TempFolder folder;
  folder.write("c/many.xml.bz2", multistream(random_pages(4, 50, 40'000), 5));
  folder.write("c/one.xml.bz2", compress(joined(random_pages(5, 50, 40'000)), Compression::kBzip2));
  folder.write("c/plain.xml", joined(random_pages(6, 20, 40'000)));
  const CorpusOptions options = options_for(folder / "c", 0.1);
  ASSERT_GE(make_regions(scan_corpus(options)).size(), 5U);
  CorpusReader reader(options, scan_corpus(options), {}, Role::kTraining);
  std::vector<Ticket> tickets;
  while (tickets.size() < 190) tickets.push_back(reader.next().value());
  ASSERT_GE(tickets.back().epoch, 1U);
  for (size_t i = 0; i + 2 < tickets.size(); i += 3) {
    const auto catalog = nlohmann::json::parse(nlohmann::json(*tickets[i].catalog).dump()).get<Catalog>();
    CorpusReader resumed(options, catalog, tickets[i].after, Role::kTraining);
    for (size_t k = i + 1; k <= i + 2; ++k) {
      ASSERT_EQ(test::fingerprint(resumed.next().value()), test::fingerprint(tickets[k])) << i;
    }
  }
}

TEST(Dump, WithADamagedStreamGivesThePagesOfAllOthers) {
  const auto pages = random_pages(7, 60, 40'000);
  std::string file = multistream(pages, 6);
  const std::string head = compress(kDumpHead, Compression::kBzip2);
  std::string before;
  for (size_t i = 0; i < 30; i += 6) {
    std::string part;
    for (size_t k = i; k < i + 6; ++k) part += pages[k];
    before += compress(part, Compression::kBzip2);
  }
  const size_t damaged = head.size() + before.size();  // the stream of pages 30 to 35
  file[damaged + 1000] ^= 1;
  const TempFolder folder;
  folder.write("c/dump.bz2", file);
  const auto tickets = read_epoch(options_for(folder / "c"));
  auto expected = documents_in(joined(pages));
  for (size_t i = 30; i < 36; ++i) {
    expected.erase(std::find_if(expected.begin(), expected.end(), [&](const std::string& d) {
      return d.starts_with(fmt::format("Page 7-{}\n", i));
    }));
  }
  EXPECT_EQ(set_of(documents_of(tickets)), expected);
  const auto skips = skips_of(tickets);
  EXPECT_EQ(reasons_of(skips), "1 x damaged bzip2 block");
  EXPECT_EQ(skips[0].shard, "dump.bz2");
  EXPECT_EQ(skips[0].offset, damaged + 4);
}

TEST(Dump, WithADamagedBlockLosesThePagesThatItHeld) {
  const auto pages = random_pages(8, 100, 40'000);  // about four blocks of 900,000 bytes
  std::string file = compress(joined(pages), Compression::kBzip2);
  file[file.size() * 3 / 8] ^= 0x40;
  const TempFolder folder;
  folder.write("c/dump.bz2", file);
  const auto tickets = read_epoch(options_for(folder / "c"));
  const auto documents = set_of(documents_of(tickets));
  const auto all = documents_in(joined(pages));
  EXPECT_TRUE(std::ranges::includes(all, documents));
  EXPECT_LE(all.size() - documents.size(), 32U);
  EXPECT_GE(all.size() - documents.size(), 15U);
  EXPECT_EQ(reasons_of(skips_of(tickets)), "1 x damaged bzip2 block, 1 x page cut by a damaged block");
  for (const Skip& skip : skips_of(tickets)) {
    if (skip.cause.reason != SkipReason::kCutPage) continue;
    EXPECT_THAT(skip.title, HasSubstr("Page 8-"));
  }
}

TEST(Dump, SkipsAreTheSameAfterAResumeAtAnyOfThem) {
  auto pages = random_pages(9, 40, 40'000);
  pages.insert(pages.begin() + 10, "<page><title>Open</title>");
  pages.insert(pages.begin() + 20, page_of("Talk:A", "words", 1));
  std::string file = compress(joined(pages), Compression::kBzip2);
  file[file.size() * 7 / 8] ^= 4;
  const TempFolder folder;
  folder.write("c/dump.bz2", file);
  const CorpusOptions options = options_for(folder / "c");
  const Catalog catalog = scan_corpus(options);
  const auto all = read_epoch(options);
  const std::string expected = reasons_of(skips_of(all));
  EXPECT_THAT(expected, HasSubstr("unclosed page"));
  // A chain of readers that each read one ticket.
  std::vector<Ticket> chain;
  Cursor cursor;
  while (chain.empty() || !chain.back().ends_epoch) {
    CorpusReader reader(options, catalog, cursor, Role::kTraining);
    chain.push_back(reader.next().value());
    cursor = chain.back().after;
  }
  EXPECT_EQ(reasons_of(skips_of(chain)), expected);
  EXPECT_EQ(documents_of(chain), documents_of(all));
}

TEST(Dump, PagesThatAreNotWantedAreCountedAndNoSkips) {
  const TempFolder folder;
  folder.write("c/dump", kDumpHead + page_of("A", "words") + page_of("Talk:A", "words", 1) +
                             page_of("B", "#REDIRECT [[A]]") + page_of("Talk:B", "words", 1) + kDumpFoot);
  const auto tickets = read_epoch(options_for(folder / "c"));
  EXPECT_THAT(documents_of(tickets), ElementsAre("A\nwords"));
  EXPECT_THAT(skips_of(tickets), IsEmpty());
  std::map<SkipReason, uint64_t> unwanted;
  for (const Ticket& ticket : tickets) {
    for (const auto& [reason, count] : ticket.unwanted) unwanted[reason] += count;
  }
  EXPECT_EQ(unwanted,
            (std::map<SkipReason, uint64_t>{{SkipReason::kOtherNamespace, 2}, {SkipReason::kRedirect, 1}}));
}

TEST(Dump, InTheCatalogKeepsItsSite) {
  const TempFolder folder;
  folder.write("c/dump", kDumpHead + page_of("A", "words") + kDumpFoot);
  const Catalog catalog = scan_corpus(options_for(folder / "c"));
  ASSERT_EQ(catalog.shards.size(), 1U);
  EXPECT_EQ(catalog.shards[0].format, TextFormat::kMediaWiki);
  const auto copy = nlohmann::json::parse(nlohmann::json(catalog).dump()).get<Catalog>();
  EXPECT_EQ(copy.shards[0].site.wiki.language, "en");
  EXPECT_EQ(copy.shards[0].site.wiki.namespaces, catalog.shards[0].site.wiki.namespaces);
  auto older = nlohmann::json(catalog);
  older["shards"][0].erase("site");
  EXPECT_EQ(older.get<Catalog>().shards[0].site.wiki.language, "");
}

TEST(Dump, InAnotherEncodingIsRejectedWithAReason) {
  const auto reason_of = [](const std::string& bytes) {
    const TempFolder folder;
    folder.write("c/dump", bytes);
    folder.write("c/text", "some words");
    const Catalog catalog = scan_corpus(options_for(folder / "c"));
    return catalog.rejected.empty() ? "" : catalog.rejected[0].reason;
  };
  EXPECT_THAT(reason_of("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>" + kDumpHead),
              HasSubstr("iso-8859-1"));
  EXPECT_THAT(reason_of("<?xml version='1.0' encoding='utf-8'?>" + kDumpHead), IsEmpty());
  EXPECT_THAT(reason_of(compress("\xFF\xFE<\0m\0", Compression::kBzip2)), HasSubstr("UTF-16"));
  EXPECT_THAT(reason_of("<?xml version=\"1.0\"?><svg/>"), HasSubstr("no MediaWiki dump"));
}

TEST(Dump, GivesASampleWithoutReadingAllOfIt) {
  const TempFolder folder;
  folder.write("c/dump.bz2", multistream(random_pages(10, 100, 40'000), 5));
  const CorpusOptions options = options_for(folder / "c");
  uint64_t bytes = 0;
  std::set<std::string> titles;
  for (const std::string& document : sample_text(options, scan_corpus(options), 300'000, 1, {}).documents) {
    bytes += document.size();
    titles.insert(document.substr(0, document.find('\n')));
  }
  EXPECT_NEAR(static_cast<double>(bytes), 300'000, 40'000);
  EXPECT_GE(titles.size(), 6U);
}

}  // namespace
}  // namespace pretrain
