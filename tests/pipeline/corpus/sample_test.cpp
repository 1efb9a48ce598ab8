#include "pipeline/corpus/sample.h"

#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "pipeline/corpus/blocks.h"
#include "pipeline/corpus/region.h"
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
  return sample_text(options, scan_corpus(options), max_bytes, seed, {});
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

TEST(SampleText, IsUtf8) {
  const TempFolder folder;
  folder.write("c/latin", "caf\xE9 and na\xEFve words in a row, enough of them to pass\n");
  EXPECT_EQ(sample(options_for(folder / "c"), 1000)[0].substr(0, 6), "caf\xEF\xBF\xBD");
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
