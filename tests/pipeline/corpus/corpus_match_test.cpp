// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/corpus_match.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "pipeline/corpus/scan.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::options_for;
using test::TempFolder;

constexpr size_t kShards = 10;

std::string text_of(size_t i) {
  return "Plain text of shard " + std::to_string(i) + ".\n";
}

/// A corpus of ten shards and its catalog.
class CorpusMatchTest : public testing::Test {
 protected:
  CorpusMatchTest() {
    for (size_t i = 0; i < kShards; ++i) folder_.write("corpus/" + std::to_string(i), text_of(i));
    catalog_ = scan_corpus(options_for(folder_ / "corpus"));
  }
  CorpusMatch match(const std::string& name) const {
    return match_corpus(options_for(folder_ / name), catalog_);
  }

  TempFolder folder_;
  Catalog catalog_;
};

TEST_F(CorpusMatchTest, KnowsTheCorpusWhereverItMoved) {
  std::filesystem::rename(folder_ / "corpus", folder_ / "moved");
  folder_.write("moved/new", "It has grown meanwhile.\n");
  const CorpusMatch found = match("moved");
  EXPECT_EQ(found.shards, kShards);
  EXPECT_EQ(found.same, kShards);
  EXPECT_EQ(found.example, "");
  EXPECT_TRUE(found.is_the_corpus());
}

TEST_F(CorpusMatchTest, TellsAnotherCorpusWithTheSameNamesOfFiles) {
  for (size_t i = 0; i < kShards; ++i) folder_.write("other/" + std::to_string(i), "Text of another kind.\n");
  EXPECT_EQ(match("other").same, 0U);
  EXPECT_FALSE(match("other").is_the_corpus());
  std::string same_length = text_of(0);
  same_length.front() = 'p';
  for (size_t i = 0; i < kShards; ++i) folder_.write("like/" + std::to_string(i), same_length);
  EXPECT_EQ(match("like").same, 0U) << "the content counts, not the size alone";
}

TEST_F(CorpusMatchTest, WantsHalfOfTheFilesAtLeast) {
  for (size_t i = kShards / 2; i < kShards; ++i)
    std::filesystem::remove(folder_ / ("corpus/" + std::to_string(i)));
  EXPECT_TRUE(match("corpus").is_the_corpus());
  std::filesystem::remove(folder_ / "corpus/0");
  EXPECT_FALSE(match("corpus").is_the_corpus());
  EXPECT_EQ(match("corpus").example, "0");
  EXPECT_TRUE(holds_any_shard(options_for(folder_ / "corpus"), catalog_));
  folder_.write("empty/text", "Nothing of it.\n");
  EXPECT_FALSE(holds_any_shard(options_for(folder_ / "empty"), catalog_));
}

}  // namespace
}  // namespace pretrain
