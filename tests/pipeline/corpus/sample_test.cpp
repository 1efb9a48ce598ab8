// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/sample.h"

#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "pipeline/corpus/blocks.h"
#include "pipeline/corpus/region.h"
#include "pipeline/corpus/scan.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::options_for;
using test::random_shard;
using test::TempFolder;

size_t total_bytes(const std::vector<std::string>& texts) {
  return std::accumulate(texts.begin(), texts.end(), size_t{0},
                         [](size_t sum, const std::string& text) { return sum + text.size(); });
}

std::vector<std::string> sample(const CorpusOptions& options, uint64_t max_bytes, uint64_t seed = 1) {
  return sample_text(options, scan_corpus(options), max_bytes, seed, {}).documents;
}

TEST(SampleText, GivesTheWholeOfASmallCorpusWithoutHeldOutDocuments) {
  const TempFolder folder;
  for (uint64_t i = 0; i < 5; ++i)
    folder.write("c/" + std::to_string(i), random_shard(TextFormat::kDoc, i, 100, 400));
  const CorpusOptions options = options_for(folder / "c", 0.2);
  const auto training = test::documents_of(test::read_epoch(options));
  const auto sampled = sample(options, 10'000'000);
  EXPECT_EQ(std::multiset(sampled.begin(), sampled.end()), std::multiset(training.begin(), training.end()));
}

TEST(SampleText, StopsAtAboutTheLimitAndSpreadsOverTheCorpus) {
  const TempFolder folder;
  for (uint64_t i = 0; i < 50; ++i) {
    folder.write("c/" + std::to_string(i),
                 test::compress(random_shard(TextFormat::kDoc, i, 20, 3'000), Compression::kGzip));
  }
  const auto sampled = sample(options_for(folder / "c"), 320'000);
  EXPECT_GE(total_bytes(sampled), 320'000U);
  EXPECT_LE(total_bytes(sampled), 320'000U + 50 * (9U << 10));
  std::set<std::string> shards;
  for (const std::string& text : sampled) {
    const size_t title = text.find("Title ");
    if (title == 0) shards.insert(text.substr(6, text.find('\n') - 8));
  }
  EXPECT_GE(shards.size(), 15U);
}

TEST(SampleText, DependsOnTheSeedOnly) {
  const TempFolder folder;
  for (uint64_t i = 0; i < 40; ++i)
    folder.write("c/" + std::to_string(i), random_shard(TextFormat::kDoc, i, 20, 500));
  const CorpusOptions options = options_for(folder / "c");
  EXPECT_EQ(sample(options, 50'000, 1), sample(options, 50'000, 1));
  EXPECT_NE(sample(options, 50'000, 1), sample(options, 50'000, 2));
}

TEST(SampleText, TakesOneLongTextFromManyPlacesWithoutItsHeldOutBlocks) {
  const TempFolder folder;
  const std::string text = test::random_text(1, 6'000'000);
  folder.write("c/text", text);
  const CorpusOptions options = options_for(folder / "c", 0.3);
  std::set<std::string> held_out;
  for (const auto& block : test::documents_of(test::read_epoch(options, Role::kHeldOut)))
    held_out.insert(block);
  std::set<size_t> regions;
  for (const std::string& part : sample(options, 300'000)) {
    for (size_t at = 0; at < part.size();) {
      const size_t found = text.find(part.substr(at, 2'000));
      ASSERT_NE(found, std::string::npos);
      regions.insert(found / kRegionBytes);
      const size_t length = block_length(std::string_view(text).substr(found), found, kBlockBytes);
      ASSERT_EQ(text.substr(found, length), part.substr(at, length));
      EXPECT_FALSE(held_out.contains(part.substr(at, length)));
      at += length;
    }
  }
  EXPECT_EQ(regions.size(), 6U);
}

/// Bytes of training text that the estimate from a small sample gives for each one that there is.
double estimated_share(const CorpusOptions& options) {
  const Catalog catalog = scan_corpus(options);
  const double estimate = estimate_text_bytes(catalog, sample_text(options, catalog, 300'000, 1, {}));
  return estimate / static_cast<double>(total_bytes(test::documents_of(test::read_epoch(options))));
}

TEST(SampleText, TellsHowMuchOfEachFormatIsText) {
  for (const TextFormat format :
       {TextFormat::kDoc, TextFormat::kJsonl, TextFormat::kText, TextFormat::kParagraphs}) {
    const TempFolder folder;
    folder.write("c/shard", random_shard(format, 1, 800, 4'000));
    CorpusOptions options = options_for(folder / "c", 0.3);
    if (format == TextFormat::kParagraphs) options.documents = DocumentMode::kParagraphs;
    EXPECT_NEAR(estimated_share(options), 1, 0.1) << format_name(format);
  }
}

TEST(SampleText, TellsHowMuchOfADumpIsText) {
  std::string dump = test::kDumpHead;
  for (uint64_t i = 0; i < 400; ++i) {
    const std::string name = std::to_string(i);
    dump += test::page_of("Page " + name,
                          test::random_text(i, 4'000) + "\n{{box|" + std::string(3'000, 'x') + "}}");
    dump += test::page_of("Template:" + name, test::random_text(i, 6'000), 10);
    dump += test::page_of("Another " + name, "#REDIRECT [[Page " + name + "]]");
  }
  dump += test::kDumpFoot;
  const TempFolder folder;
  folder.write("plain/dump.xml", dump);
  EXPECT_NEAR(estimated_share(options_for(folder / "plain")), 1, 0.1);
  folder.write("mixed/dump.xml", dump);
  folder.write("mixed/shard", random_shard(TextFormat::kText, 2, 500, 4'000));
  EXPECT_NEAR(estimated_share(options_for(folder / "mixed")), 1, 0.1);
}

TEST(SampleText, OfABzip2DumpTellsHowMuchOfWhatItUnpacksIsText) {
  const TempFolder folder;
  std::vector<std::string> pages;
  for (uint64_t i = 0; i < 60; ++i) {
    pages.push_back(test::page_of("Page " + std::to_string(i), test::random_text(i, 20'000)));
    pages.push_back(test::page_of("User:" + std::to_string(i), test::random_text(i, 20'000), 2));
  }
  folder.write("c/dump.bz2", test::multistream(pages, 10));
  const CorpusOptions options = options_for(folder / "c");
  const TextSample sampled = sample_text(options, scan_corpus(options), 300'000, 1, {});
  EXPECT_NEAR(sampled.text_shares.at(TextFormat::kMediaWiki), 0.5, 0.05);
}

TEST(SampleText, IsUtf8) {
  const TempFolder folder;
  folder.write("c/latin", "caf\xE9 and na\xEFve words, enough of them to count as text\n");
  EXPECT_EQ(sample(options_for(folder / "c"), 1000)[0].substr(0, 6), "caf\xEF\xBF\xBD");
}

TEST(SampleText, TellsWhetherTextIsHeldOut) {
  const TempFolder folder;
  folder.write("c/a", test::random_text(1, 1000));
  for (const double fraction : {0.0, 1.0}) {
    const CorpusOptions options = options_for(folder / "c", fraction);
    const TextSample sampled = sample_text(options, scan_corpus(options), 1000, 1, {});
    EXPECT_EQ(sampled.documents.empty(), fraction == 1.0);
    EXPECT_EQ(sampled.found_held_out, fraction == 1.0);
  }
}

TEST(SampleText, StopsOnRequest) {
  const TempFolder folder;
  folder.write("c/a", test::random_text(1, 1000));
  const CorpusOptions options = options_for(folder / "c");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW((void)sample_text(options, scan_corpus(options), 1000, 1, stop.get_token()), Stopped);
}

}  // namespace
}  // namespace pretrain
