// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/step_log.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <limits>
#include <sstream>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::Fault;
using test::FaultyFileSystem;
using test::TempFolder;

/// Each record is a line of 9 bytes: three fill a segment.
constexpr StepLogOptions kSmallSegments{.segment_bytes = 27, .segments = 100};

nlohmann::json record(int number) {
  return {{"n", 10 + number}};
}

std::vector<int> numbers_in(const Path& path) {
  std::vector<int> numbers;
  std::istringstream lines(read_file(path));
  for (std::string line; std::getline(lines, line);) {
    numbers.push_back(nlohmann::json::parse(line).at("n").get<int>() - 10);
  }
  return numbers;
}

/// The records of all segments in order; fails on an incomplete line.
std::vector<int> all_numbers(const TempFolder& folder) {
  std::vector<int> numbers;
  for (const FolderEntry& entry : list_folder(folder.path())) {  // "metrics-..." sorts before "metrics.jsonl"
    for (const int number : numbers_in(folder / entry.name)) numbers.push_back(number);
  }
  return numbers;
}

std::vector<int> range(int begin, int end) {
  std::vector<int> numbers;
  for (int i = begin; i < end; ++i) numbers.push_back(i);
  return numbers;
}

std::vector<std::string> names_in(const TempFolder& folder) {
  std::vector<std::string> names;
  for (const FolderEntry& entry : list_folder(folder.path())) names.push_back(entry.name);
  return names;
}

TEST(StepLog, WritesOneObjectALine) {
  const TempFolder folder;
  StepLog log(real_file_system(), folder.path(), {});
  log.write({{"step", 1}, {"loss", 2.5}});
  log.write({{"step", 2}});
  EXPECT_EQ(read_file(folder / "metrics.jsonl"), "{\"loss\":2.5,\"step\":1}\n{\"step\":2}\n");
  EXPECT_EQ(log.position().segment, 0U);
  EXPECT_EQ(log.position().offset_bytes, 33U);
  EXPECT_EQ(log.failed_writes(), 0U);
}

TEST(StepLog, WritesNonFiniteNumbersAndBrokenTextAsValidJson) {
  const TempFolder folder;
  StepLog log(real_file_system(), folder.path(), {});
  log.write({{"loss", std::numeric_limits<double>::quiet_NaN()}, {"text", "\xff"}});
  const auto parsed = nlohmann::json::parse(read_file(folder / "metrics.jsonl"));
  EXPECT_TRUE(parsed.at("loss").is_null());
}

TEST(StepLog, CutsWhatStandsBehindItsPosition) {
  const TempFolder folder;
  StepLogPosition position;
  {
    StepLog log(real_file_system(), folder.path(), {});
    for (int i = 0; i < 2; ++i) log.write(record(i));
    position = log.position();
    for (int i = 50; i < 55; ++i) log.write(record(i));
  }
  StepLog log(real_file_system(), folder.path(), {position});
  log.write(record(2));
  EXPECT_EQ(all_numbers(folder), range(0, 3));
}

TEST(StepLog, ContinuesAShorterLogAtItsEnd) {
  const TempFolder folder;
  folder.write("metrics.jsonl", "{\"n\":10}\n");
  StepLog log(real_file_system(), folder.path(), {{.segment = 0, .offset_bytes = 1000}});
  EXPECT_EQ(log.position().offset_bytes, 9U);
  log.write(record(1));
  EXPECT_EQ(all_numbers(folder), range(0, 2));
}

TEST(StepLog, ContinuesALostLogWithAnEmptyOne) {
  const TempFolder folder;
  StepLog log(real_file_system(), folder.path(), {{.segment = 7, .offset_bytes = 1000}});
  log.write(record(0));
  EXPECT_EQ(log.failed_writes(), 0U);
  EXPECT_EQ(all_numbers(folder), range(0, 1));
}

TEST(StepLog, RotatesFullSegments) {
  const TempFolder folder;
  StepLog log(real_file_system(), folder.path(), {}, kSmallSegments);
  for (int i = 0; i < 8; ++i) log.write(record(i));
  EXPECT_EQ(names_in(folder),
            (std::vector<std::string>{"metrics-000000.jsonl", "metrics-000001.jsonl", "metrics.jsonl"}));
  EXPECT_EQ(numbers_in(folder / "metrics-000001.jsonl"), range(3, 6));
  EXPECT_EQ(all_numbers(folder), range(0, 8));
  EXPECT_EQ(log.position().segment, 2U);
  EXPECT_EQ(log.position().offset_bytes, 18U);
}

TEST(StepLog, KeepsTheNewestSegmentsOnly) {
  const TempFolder folder;
  StepLog log(real_file_system(), folder.path(), {}, {.segment_bytes = 27, .segments = 2});
  for (int i = 0; i < 20; ++i) log.write(record(i));
  EXPECT_EQ(names_in(folder),
            (std::vector<std::string>{"metrics-000004.jsonl", "metrics-000005.jsonl", "metrics.jsonl"}));
  EXPECT_EQ(all_numbers(folder), range(12, 20));
}

TEST(StepLog, ARecordLargerThanASegmentHasOneOfItsOwn) {
  const TempFolder folder;
  StepLog log(real_file_system(), folder.path(), {}, {.segment_bytes = 1, .segments = 100});
  for (int i = 0; i < 3; ++i) log.write(record(i));
  EXPECT_EQ(all_numbers(folder), range(0, 3));
  EXPECT_EQ(log.position().segment, 2U);
}

TEST(StepLog, ResumesAtEachPositionAcrossSegments) {
  constexpr int kRecords = 10;
  for (int kept = 0; kept <= kRecords; ++kept) {
    const TempFolder folder;
    std::vector<StepLogPosition> positions;
    {
      StepLog log(real_file_system(), folder.path(), {}, kSmallSegments);
      for (int i = 0; i < kRecords; ++i) {
        positions.push_back(log.position());
        log.write(record(i));
      }
      positions.push_back(log.position());
    }
    StepLog log(real_file_system(), folder.path(), {positions[static_cast<size_t>(kept)]}, kSmallSegments);
    EXPECT_EQ(all_numbers(folder), range(0, kept));
    for (int i = kept; i < kRecords + 5; ++i) log.write(record(i));
    EXPECT_EQ(all_numbers(folder), range(0, kRecords + 5)) << "resumed after " << kept;
    EXPECT_EQ(log.failed_writes(), 0U);
  }
}

/// Writes records through a file system of which one call fails; returns how many calls there were.
uint64_t write_with_fault(Fault::Kind kind, uint64_t failing_call, uint64_t segments) {
  SCOPED_TRACE(testing::Message() << "call " << failing_call);
  constexpr int kRecords = 12;
  const TempFolder folder;
  FaultyFileSystem files;
  files.set_fault({.kind = kind, .code = ENOSPC, .first_call = failing_call});
  StepLog log(files, folder.path(), {}, {.segment_bytes = 27, .segments = segments});
  for (int i = 0; i < kRecords; ++i) log.write(record(i));
  const uint64_t calls = files.call_count();
  files.clear_fault();
  log.write(record(kRecords));  // cuts off what a failed last write left

  const std::vector<int> found = all_numbers(folder);
  EXPECT_TRUE(std::ranges::is_sorted(found, std::less_equal<>()));
  EXPECT_LE(log.failed_writes(), 1U);
  // From the first that is left to the last there are all but those counted as lost.
  EXPECT_GE(found.size() + log.failed_writes(), static_cast<size_t>(kRecords - found.front() + 1));
  EXPECT_LE(found.front(), segments < kRecords ? kRecords - 3 * static_cast<int>(segments) : 1);
  EXPECT_EQ(found.back(), kRecords);
  return calls;
}

TEST(StepLog, GoesOnAfterAFailureOfAnyCallAndLosesOneRecordAtMost) {
  for (const Fault::Kind kind : {Fault::Kind::kFail, Fault::Kind::kShortWrite}) {
    for (const uint64_t segments : {100U, 2U}) {
      const uint64_t calls = write_with_fault(kind, 0, segments);
      ASSERT_GT(calls, 20U);
      for (uint64_t call = 1; call <= calls; ++call) write_with_fault(kind, call, segments);
    }
  }
}

TEST(StepLog, CountsEachRecordThatADeadDiskLost) {
  const TempFolder folder;
  FaultyFileSystem files;
  StepLog log(files, folder.path(), {});
  log.write(record(0));
  files.set_fault({.code = EIO, .first_call = files.call_count() + 1, .lasting = true});
  for (int i = 1; i < 5; ++i) log.write(record(i));
  EXPECT_EQ(log.failed_writes(), 4U);
  files.clear_fault();
  log.write(record(5));
  EXPECT_EQ(all_numbers(folder), (std::vector<int>{0, 5}));
}

TEST(StepLog, StartsWithoutAWorkingDisk) {
  const TempFolder folder;
  FaultyFileSystem files;
  files.set_fault({.code = EACCES, .first_call = 1, .lasting = true});
  StepLog log(files, folder.path(), {});
  EXPECT_EQ(log.failed_writes(), 1U);
  files.clear_fault();
  log.write(record(0));
  EXPECT_EQ(all_numbers(folder), range(0, 1));
}

}  // namespace
}  // namespace pretrain
