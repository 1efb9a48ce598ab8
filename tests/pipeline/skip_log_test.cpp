// SPDX-License-Identifier: Apache-2.0
#include "pipeline/skip_log.h"

#include <cerrno>
#include <fstream>
#include <memory>
#include <optional>
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

/// A log that begins a stream, or continues the existing one.
std::unique_ptr<SkipLog> open_log(FileSystem& files, const Path& path, std::optional<uint64_t> keep_bytes) {
  auto log = std::make_unique<SkipLog>(files, path);
  log->begin(keep_bytes);
  return log;
}

TEST_F(SkipLogTest, WritesOneObjectForEachSkip) {
  const auto log = open_log(real_file_system(), path_, 0);
  log->add({"AA/wiki_00", 1234, {SkipReason::kTruncatedStream, "truncated gzip stream"}, ""}, 0);
  log->add({"AA/wiki_01", 0, SkipReason::kTooLong, "A \"quoted\"\ntitle"}, 2);
  const auto records = records_of(path_);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0], nlohmann::json({{"epoch", 0},
                                        {"file", "AA/wiki_00"},
                                        {"offset", 1234},
                                        {"reason", "truncated_stream"},
                                        {"text", "truncated gzip stream"}}));
  EXPECT_EQ(records[1].at("title"), "A \"quoted\"\ntitle");
  EXPECT_EQ(records[1].at("epoch"), 2);
  EXPECT_EQ(log->failed_writes(), 0u);
  EXPECT_EQ(log->bytes(), ReadableFile(path_).size());
}

TEST_F(SkipLogTest, TakesNamesThatAreNotUtf8) {
  open_log(real_file_system(), path_, 0)->add({"wiki_\xff", 0, SkipReason::kEmpty, ""}, 0);
  EXPECT_EQ(records_of(path_).at(0).at("file"), "wiki_\uFFFD");
}

TEST_F(SkipLogTest, IsCutBackToWhereAStateSaysThatItWas) {
  const auto log = open_log(real_file_system(), path_, 0);
  log->add({"shard", 1, SkipReason::kEmpty, ""}, 0);
  const uint64_t saved = log->bytes();
  for (uint64_t i = 2; i < 9; ++i) log->add({"shard", i, SkipReason::kEmpty, ""}, 0);
  const std::string uninterrupted = read_file(path_);
  for (int resumes = 0; resumes < 3; ++resumes) {
    log->begin(saved);
    EXPECT_EQ(records_of(path_).size(), 1u);
    EXPECT_EQ(log->bytes(), saved);
    for (uint64_t i = 2; i < 9; ++i) log->add({"shard", i, SkipReason::kEmpty, ""}, 0);
    EXPECT_EQ(read_file(path_), uninterrupted);
  }
}

TEST_F(SkipLogTest, OfANewStreamIsEmpty) {
  open_log(real_file_system(), path_, 0)->add({"shard", 1, SkipReason::kEmpty, ""}, 0);
  open_log(real_file_system(), path_, 0);
  EXPECT_EQ(read_file(path_), "");
}

TEST_F(SkipLogTest, KeepsAllForAStateThatDoesNotSay) {
  for (uint64_t i = 0; i < 3; ++i)
    open_log(real_file_system(), path_, std::nullopt)->add({"shard", i, SkipReason::kEmpty, ""}, 0);
  const auto records = records_of(path_);
  ASSERT_EQ(records.size(), 3u);
  for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(records[i].at("offset"), i);
}

TEST_F(SkipLogTest, HoldsAPlaceThatEveryEpochSkipsOnce) {
  // A record as earlier versions wrote it.
  std::ofstream(path_) << R"({"file":"shard","offset":1,"reason":"empty"})"
                       << "\n";
  auto log = open_log(real_file_system(), path_, std::nullopt);
  for (uint32_t epoch = 0; epoch < 5; ++epoch) {
    log->add({"shard", 1, SkipReason::kEmpty, ""}, epoch);
    log->add({"shard", 2, SkipReason::kEmpty, "of a page, with a comma"}, epoch);
    log = open_log(real_file_system(), path_, log->bytes());
  }
  const auto records = records_of(path_);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1].at("epoch"), 0);
}

TEST_F(SkipLogTest, KnowsThePlacesThatVersion01WroteWithTheTextOfTheReason) {
  const std::string old =
      R"({"epoch":3,"file":"a.gz","offset":7,"reason":"truncated gzip stream"})"
      "\n"
      R"~({"epoch":0,"file":"b","offset":9,"reason":"invalid XML (no element found)","title":"T"})~"
      "\n";
  std::ofstream(path_) << old;
  const auto log = open_log(real_file_system(), path_, old.size());
  log->add({"a.gz", 7, {SkipReason::kTruncatedStream, "truncated gzip stream"}, ""}, 4);
  log->add({"b", 9, {SkipReason::kInvalidXml, "invalid XML (no element found)"}, "T"}, 4);
  EXPECT_EQ(read_file(path_), old);
  log->add({"b", 9, SkipReason::kTooLong, "T"}, 4);
  EXPECT_EQ(records_of(path_).size(), 3u) << "another reason";
}

TEST_F(SkipLogTest, KeepsLinesThatAreNoRecords) {
  const std::string lines = "no json\n{\"file\":7}\n" + std::string(50, '[') + "\n\n";
  std::ofstream(path_) << lines;
  const auto log = open_log(real_file_system(), path_, std::nullopt);
  log->add({"shard", 1, SkipReason::kEmpty, ""}, 0);
  EXPECT_TRUE(read_file(path_).starts_with(lines));
  EXPECT_EQ(log->failed_writes(), 0u);
}

TEST_F(SkipLogTest, GoesOnAtTheEndOfTheLastWholeLineOfAShorterFile) {
  std::ofstream(path_) << "{\"file\":\"a\"}\n{\"fil";
  const auto log = open_log(real_file_system(), path_, 500);
  log->add({"shard", 1, SkipReason::kEmpty, ""}, 0);
  EXPECT_EQ(records_of(path_).size(), 2u);
}

TEST_F(SkipLogTest, StaysBelowItsBoundInOneRunAndInSeveral) {
  constexpr uint64_t kBound = 16'000'000;
  const auto large = [](uint64_t i) {
    return Skip{"shard", i, SkipReason::kTooLong, std::string(1'500'000, 'x')};
  };
  {
    const auto log = open_log(real_file_system(), path_, 0);
    for (uint64_t i = 0; i < 14; ++i) log->add(large(i), 0);
    EXPECT_EQ(log->failed_writes(), 0u);
  }
  const uint64_t size = ReadableFile(path_).size();
  EXPECT_LE(size, kBound);
  EXPECT_GT(size, kBound - 2'000'000);
  open_log(real_file_system(), path_, size)->add(large(20), 0);
  EXPECT_EQ(ReadableFile(path_).size(), size);
  EXPECT_EQ(records_of(path_).size(), 10u);
}

TEST_F(SkipLogTest, CountsWritesThatFailAndGoesOn) {
  test::FaultyFileSystem files;
  const auto log = open_log(files, path_, 0);
  log->add({"shard", 1, SkipReason::kEmpty, ""}, 0);
  files.set_fault({.code = ENOSPC, .first_call = files.call_count() + 1});
  log->add({"shard", 2, SkipReason::kEmpty, ""}, 0);
  EXPECT_EQ(log->failed_writes(), 1u);
  log->add({"shard", 3, SkipReason::kEmpty, ""}, 0);
  const auto records = records_of(path_);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1].at("offset"), 3);
  EXPECT_EQ(log->bytes(), ReadableFile(path_).size());
}

TEST_F(SkipLogTest, TakesTheBeginningOfALineThatFailedAway) {
  test::FaultyFileSystem files;
  const auto log = open_log(files, path_, 0);
  files.set_fault(
      {.kind = test::Fault::Kind::kShortWrite, .code = ENOSPC, .first_call = files.call_count() + 1});
  log->add({"shard", 1, SkipReason::kEmpty, ""}, 0);
  EXPECT_EQ(log->failed_writes(), 1u);
  log->add({"shard", 1, SkipReason::kEmpty, ""}, 1);
  ASSERT_EQ(records_of(path_).size(), 1u);
  EXPECT_EQ(records_of(path_)[0].at("epoch"), 1) << "it is written once it can be";
  EXPECT_EQ(log->bytes(), ReadableFile(path_).size());
}

TEST_F(SkipLogTest, ContinuesInANewFileWhereItsOwnIsRemoved) {
  const auto log = open_log(real_file_system(), path_, 0);
  log->add({"a", 1, SkipReason::kTooLong, ""}, 0);
  std::filesystem::remove(path_);
  log->add({"a", 2, SkipReason::kTooLong, ""}, 0);
  log->add({"a", 3, SkipReason::kTooLong, ""}, 0);
  EXPECT_EQ(records_of(path_).size(), 2U);
  EXPECT_EQ(log->bytes(), std::filesystem::file_size(path_));
  EXPECT_EQ(log->failed_writes(), 0U);
}

TEST_F(SkipLogTest, CountsWhatAFileThatCannotBeOpenedMisses) {
  const Path path = folder_.path() / "missing" / "skipped.jsonl";
  const auto log = open_log(real_file_system(), path, 0);
  log->add({"shard", 1, SkipReason::kEmpty, ""}, 0);
  EXPECT_FALSE(file_exists(path));
  EXPECT_EQ(log->failed_writes(), 1u);
}

}  // namespace
}  // namespace pretrain
