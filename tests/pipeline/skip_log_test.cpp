#include "pipeline/skip_log.h"

#include <cerrno>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

std::vector<nlohmann::json> records_of(const Path& path) {
  std::vector<nlohmann::json> records;
  const std::string content = read_file(path);
  for (size_t at = 0; at < content.size();) {
    const size_t end = content.find('\n', at);
    if (end == std::string::npos) {
      ADD_FAILURE() << "the last line has no end";
      break;
    }
    records.push_back(nlohmann::json::parse(content.substr(at, end - at)));
    at = end + 1;
  }
  return records;
}

class SkipLogTest : public testing::Test {
 protected:
  const test::TempFolder folder_;
  const Path path_ = folder_ / "skipped.jsonl";
};

TEST_F(SkipLogTest, WritesOneObjectForEachSkip) {
  SkipLog log(real_file_system(), path_);
  log.add({"AA/wiki_00", 1234, "truncated gzip stream", ""});
  log.add({"AA/wiki_01", 0, "too long", "A \"quoted\"\ntitle"});
  const auto records = records_of(path_);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0],
            nlohmann::json({{"file", "AA/wiki_00"}, {"offset", 1234}, {"reason", "truncated gzip stream"}}));
  EXPECT_EQ(records[1].at("title"), "A \"quoted\"\ntitle");
  EXPECT_EQ(log.failed_writes(), 0u);
}

TEST_F(SkipLogTest, TakesNamesThatAreNotUtf8) {
  SkipLog log(real_file_system(), path_);
  log.add({"wiki_\xff", 0, "empty", ""});
  EXPECT_EQ(records_of(path_).at(0).at("file"), "wiki_\uFFFD");
}

TEST_F(SkipLogTest, AppendsToWhatIsThere) {
  for (uint64_t i = 0; i < 3; ++i) SkipLog(real_file_system(), path_).add({"shard", i, "empty", ""});
  const auto records = records_of(path_);
  ASSERT_EQ(records.size(), 3u);
  for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(records[i].at("offset"), i);
}

TEST_F(SkipLogTest, StaysBelowItsBoundInOneRunAndInSeveral) {
  constexpr uint64_t kBound = 16'000'000;
  const Skip large{"shard", 0, "too long", std::string(1'500'000, 'x')};
  {
    SkipLog log(real_file_system(), path_);
    for (int i = 0; i < 14; ++i) log.add(large);
    EXPECT_EQ(log.failed_writes(), 0u);
  }
  const uint64_t size = ReadableFile(path_).size();
  EXPECT_LE(size, kBound);
  EXPECT_GT(size, kBound - 2'000'000);
  SkipLog(real_file_system(), path_).add(large);
  EXPECT_EQ(ReadableFile(path_).size(), size);
  EXPECT_EQ(records_of(path_).size(), 10u);
}

TEST_F(SkipLogTest, CountsWritesThatFailAndGoesOn) {
  test::FaultyFileSystem files;
  SkipLog log(files, path_);
  log.add({"shard", 1, "empty", ""});
  files.set_fault({.code = ENOSPC, .first_call = files.call_count() + 1});
  log.add({"shard", 2, "empty", ""});
  EXPECT_EQ(log.failed_writes(), 1u);
  log.add({"shard", 3, "empty", ""});
  const auto records = records_of(path_);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1].at("offset"), 3);
}

TEST_F(SkipLogTest, SurvivesAFileThatCannotBeOpened) {
  SkipLog log(real_file_system(), folder_.path() / "missing" / "skipped.jsonl");
  log.add({"shard", 1, "empty", ""});
  EXPECT_FALSE(file_exists(folder_.path() / "missing" / "skipped.jsonl"));
}

}  // namespace
}  // namespace pretrain
