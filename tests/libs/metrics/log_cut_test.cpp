// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/log_cut.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "libs/metrics/step_log.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::TempFolder;

std::string line_of(uint64_t step) {
  return fmt::format("{{\"loss\":2.5,\"step\":{}}}\n", step);
}

/// Records of steps `first` to `last`.
std::string lines(uint64_t first, uint64_t last) {
  std::string text;
  for (uint64_t step = first; step <= last; ++step) text += line_of(step);
  return text;
}

LogCut cut_of(const std::string& text, uint64_t offset_bytes, uint64_t step) {
  const TempFolder folder(test::memory_folder());
  folder.write("log", text);
  return find_log_cut(ReadableFile(folder / "log"), offset_bytes, step);
}

void expect_read(const std::string& text, uint64_t offset_bytes, uint64_t step, const std::string& kept) {
  const LogCut cut = cut_of(text, offset_bytes, step);
  EXPECT_EQ(text.substr(0, cut.offset_bytes), kept);
  EXPECT_FALSE(cut.as_saved);
}

TEST(LogCut, IsThePlaceItselfWhereARecordOfTheNextStepBegins) {
  for (uint64_t step = 0; step <= 12; ++step) {
    const LogCut cut = cut_of(lines(1, 12), lines(1, step).size(), step);
    EXPECT_EQ(cut.offset_bytes, lines(1, step).size());
    EXPECT_TRUE(cut.as_saved) << step;
  }
}

TEST(LogCut, KeepsRecordsOfTheSameStepOnTheirSideOfThePlace) {
  const std::string text = lines(1, 5) + line_of(5) + line_of(5) + lines(6, 7);
  for (const uint64_t offset : {lines(1, 5).size(), lines(1, 5).size() + line_of(5).size()}) {
    const LogCut cut = cut_of(text, offset, 5);
    EXPECT_EQ(cut.offset_bytes, offset);
    EXPECT_TRUE(cut.as_saved);
  }
}

TEST(LogCut, NeverCutsALineAndKeepsNoLaterStepWhateverThePlace) {
  const std::string text = lines(8, 12);
  for (uint64_t offset = 0; offset <= text.size() + 3; ++offset) {
    for (uint64_t step = 7; step <= 13; ++step) {
      const LogCut cut = cut_of(text, offset, step);
      const std::string all = step < 8 ? "" : lines(8, std::min<uint64_t>(step, 12));
      // The record of the step itself may be on either side.
      const std::string before = step < 9 ? "" : lines(8, std::min<uint64_t>(step - 1, 12));
      const bool may_be_right = offset == all.size() || (offset == before.size() && step <= 12);
      EXPECT_EQ(cut.as_saved, may_be_right) << "offset " << offset << ", step " << step;
      EXPECT_EQ(cut.offset_bytes, may_be_right ? offset : all.size())
          << "offset " << offset << ", step " << step;
    }
  }
}

TEST(LogCut, OfALogThatLostItsBeginningIsAfterTheRecordsOfTheStep) {
  expect_read(lines(5, 20), lines(1, 10).size(), 10, lines(5, 10));
}

TEST(LogCut, IsBeforeATornLine) {
  expect_read(lines(1, 5) + "{\"step\":6,\"lo", 10'000, 9, lines(1, 5));
}

TEST(LogCut, IsBeforeALineThatIsNoRecord) {
  for (const std::string wrong : {"\n", "no record\n", "[1]\n", "17\n"})
    expect_read(lines(1, 5) + wrong + lines(6, 7), 10'000, 9, lines(1, 5));
}

TEST(LogCut, CountsARecordWithoutAStepToTheOneBefore) {
  const std::string text = lines(1, 5) + "{\"note\":1}\n";
  EXPECT_TRUE(cut_of(text + lines(6, 7), text.size(), 5).as_saved);
  expect_read(text + lines(6, 7), 10'000, 5, text);
}

TEST(LogCut, ReadsALogOfMillionsOfBytesAndEndsAtALineWithoutEnd) {
  const std::string text = lines(1, 100'000);
  ASSERT_GT(text.size(), 2'000'000U);
  expect_read(text, 1, 99'999, lines(1, 99'999));
  expect_read(text + std::string(3'000'000, 'x'), 1, 200'000, text);
}

TEST(StepLog, IsNotCutInTheMiddleOfALineWhereItWasReplaced) {
  const TempFolder folder;
  folder.write("metrics.jsonl", lines(1, 9));
  StepLog log(real_file_system(), folder.path(),
              {.position = {.offset_bytes = lines(1, 5).size() + 7}, .step = 5});
  EXPECT_TRUE(log.was_replaced());
  log.write({{"loss", 2.5}, {"step", 6}});
  EXPECT_EQ(read_file(folder / "metrics.jsonl"), lines(1, 6));
}

TEST(StepLog, OfARunThatOnlyContinuesWasNotReplaced) {
  const TempFolder folder;
  folder.write("metrics.jsonl", lines(1, 9));
  const StepLogPosition position{.offset_bytes = lines(1, 5).size()};
  EXPECT_FALSE(StepLog(real_file_system(), folder.path(), {.position = position, .step = 5}).was_replaced());
  EXPECT_EQ(read_file(folder / "metrics.jsonl"), lines(1, 5));
  const TempFolder empty;
  EXPECT_FALSE(StepLog(real_file_system(), empty.path(), {.position = position, .step = 5}).was_replaced());
}

TEST(StepLog, KeepsWhatIsToStayAlsoWhereItWasReplaced) {
  const TempFolder folder;
  folder.write("metrics.jsonl", lines(1, 5) + line_of(6) + "{\"keep\":1,\"step\":7}\n");
  const StepLog log(real_file_system(), folder.path(),
                    {.position = {.offset_bytes = 3}, .step = 5, .keeps = [](const nlohmann::json& record) {
                       return record.contains("keep");
                     }});
  EXPECT_EQ(read_file(folder / "metrics.jsonl"), lines(1, 5) + "{\"keep\":1,\"step\":7}\n");
}

}  // namespace
}  // namespace pretrain
