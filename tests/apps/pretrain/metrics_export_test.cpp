// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/metrics_export.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/metrics/event_file.h"
#include "tests/apps/pretrain/recorded_run.h"

namespace pretrain {
namespace {

using test::evaluation_line;
using test::session_line;
using test::steps_lines;
using test::TempFolder;
using test::write_ended_run;
using test::write_run;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::string> lines_of(const Path& file) {
  std::vector<std::string> lines;
  std::istringstream text(read_file(file));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

TEST(MetricsTable, HasEachStepAndEvaluationInOrder) {
  const TempFolder folder;
  const Path state = write_ended_run(folder, "a");
  EXPECT_EQ(write_metrics_table(state, folder / "a.csv"), 102U);
  const auto lines = lines_of(folder / "a.csv");
  ASSERT_EQ(lines.size(), 103U);
  EXPECT_THAT(lines[0], StartsWith("kind,step,steps,tokens,time,loss,learning_rate,"));
  EXPECT_THAT(lines[1], StartsWith("evaluation,0,0,0,1795872000.000,"));
  EXPECT_THAT(lines[2], StartsWith("step,1,1,256,1795872000.500,9.95,0.001,1.5,512,"));
  EXPECT_THAT(lines[101], StartsWith("step,100,1,25600,"));
  EXPECT_THAT(lines[102], StartsWith("evaluation,100,0,25600,"));
  const auto commas = [](const std::string& line) { return std::count(line.begin(), line.end(), ','); };
  for (const std::string& line : lines) EXPECT_EQ(commas(line), commas(lines[0])) << line;
}

TEST(MetricsTable, TakesStepsThatAreNoLongerRecordedFromTheCurve) {
  const TempFolder folder;
  const Path state = write_run(folder, "a", session_line(0, 1), steps_lines(9, 12));
  folder.write(
      "a/curve.jsonl",
      "{\"kind\":\"curve\",\"time\":1,\"first_step\":1,\"step\":8,\"width\":8,\"steps\":8,\"bad_steps\":0,"
      "\"tokens\":2048,\"epoch\":0,\"values\":{\"loss\":[9,8,10,8]}}\n");
  EXPECT_EQ(write_metrics_table(state, folder / "a.csv"), 5U);
  const auto lines = lines_of(folder / "a.csv");
  EXPECT_THAT(lines[1], StartsWith("step,8,8,2048,1.000,9,"));
  EXPECT_THAT(lines[2], StartsWith("step,9,1,"));
}

TEST(MetricsTable, LeavesTheOldTableWhenItCantBeWritten) {
  const TempFolder folder;
  const Path state = write_ended_run(folder, "a");
  EXPECT_THROW(write_metrics_table(state, folder / "nowhere/a.csv"), IoError);
  EXPECT_FALSE(folder_exists(folder / "nowhere"));
}

/// The content of all event files of a folder, in the order in which TensorBoard reads them.
std::string events_in(const Path& folder) {
  std::string all;
  for (const FolderEntry& entry : list_folder(folder)) all += read_file(folder / entry.name);
  return all;
}

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(EventExport, WritesTheScalarsOfEachStep) {
  const TempFolder folder;
  const Path state = write_ended_run(folder, "a");
  EventExport events(state, folder / "events");
  EXPECT_EQ(events.write_new(), 100U * 7 + 2 * 2);
  EXPECT_EQ(events.write_new(), 0U);
  EXPECT_FALSE(events.run_lives());
  const std::string bytes = events_in(folder / "events");
  EXPECT_THAT(
      bytes,
      HasSubstr(scalar_frame({.time = test::kStart + 0.5, .step = 1, .tag = "train/loss", .value = 9.95})));
  EXPECT_EQ(count_of(bytes, "train/loss"), 100U);
  EXPECT_EQ(count_of(bytes, "validation/loss"), 2U);
}

TEST(EventExport, ContinuesWithWhatIsNew) {
  const TempFolder folder;
  const Path state = write_run(folder, "a", session_line(0, 1), steps_lines(1, 5));
  EventExport events(state, folder / "events");
  events.write_new();
  std::ofstream(state / "metrics.jsonl", std::ios::app) << steps_lines(6, 8);
  EXPECT_EQ(events.write_new(), 3U * 7);
  EXPECT_EQ(list_folder(folder / "events").size(), 1U);
}

TEST(EventExport, SeesAResumeAfterTheClockWasSetBack) {
  const TempFolder folder;
  const Path state = write_run(folder, "a", session_line(0, 1), steps_lines(1, 10));
  EventExport events(state, folder / "events");
  events.write_new();
  std::string resumed = session_line(6, 1);
  const std::string time = "\"time\":1795872000";
  resumed.replace(resumed.find(time), time.size(), "\"time\":1695872000");
  write_run(folder, "a", session_line(0, 1) + resumed, steps_lines(1, 12));
  EXPECT_EQ(events.write_new(), 6U * 7) << "steps 7 to 12 again";
  EXPECT_EQ(events.write_new(), 0U);
  EXPECT_EQ(list_folder(folder / "events").size(), 2U);
}

TEST(EventExport, StartsANewFileWhereARunWentBack) {
  const TempFolder folder;
  const Path state = write_run(folder, "a", session_line(0, 1), steps_lines(1, 10));
  EventExport events(state, folder / "events");
  events.write_new();
  std::string resumed = session_line(6, 1);
  const std::string time = "\"time\":1795872000";
  resumed.replace(resumed.find(time), time.size(), "\"time\":1795872900");
  write_run(folder, "a", session_line(0, 1) + resumed, steps_lines(1, 12));
  EXPECT_EQ(events.write_new(), 6U * 7) << "steps 7 to 12 again";
  ASSERT_EQ(list_folder(folder / "events").size(), 2U);
  const std::string second = read_file(folder / "events" / list_folder(folder / "events")[1].name);
  const std::string start = session_start_frame(1, 7);
  EXPECT_THAT(second, HasSubstr(start.substr(start.size() - 4 - 6, 6))) << "step 7, session log, start";
}

}  // namespace
}  // namespace pretrain
