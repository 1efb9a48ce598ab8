// SPDX-License-Identifier: Apache-2.0
#include "libs/train/run_recorder.h"

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

class RunRecorderTest : public testing::Test {
 protected:
  test::TempFolder folder_;
  test::RecordingObserver observer_;
  RunRecorder recorder_{real_file_system(), folder_.path(), {&observer_}};
};

TEST_F(RunRecorderTest, CountsLostRecordsOverAllItsLogs) {
  std::filesystem::create_directory(folder_ / "metrics.jsonl");  // nothing can be written
  recorder_.open_log({}, 0);
  recorder_.note_hardware_fault(1);
  const LostRecords first = recorder_.snapshot().lost_records;
  EXPECT_GT(first.in_metrics, 0U);
  EXPECT_EQ(first.in_events, 0U);
  recorder_.open_log({}, 0);  // after a return to a checkpoint
  recorder_.note_hardware_fault(2);
  EXPECT_EQ(recorder_.snapshot().lost_records.total(), 2 * first.total());
}

TEST_F(RunRecorderTest, SaysOnceThatTheFirstBatchIsThere) {
  recorder_.open_log({}, 0);
  EXPECT_EQ(recorder_.snapshot().phase, RunPhase::kStarting);
  recorder_.note_ready();
  recorder_.note_ready();
  EXPECT_EQ(observer_.ready, 1U);
  EXPECT_EQ(recorder_.snapshot().phase, RunPhase::kTraining);
}

TEST_F(RunRecorderTest, IsBackAtWhatItDidAfterAnEvaluation) {
  recorder_.begin_work(RunPhase::kEvaluating);
  EXPECT_EQ(recorder_.snapshot().phase, RunPhase::kEvaluating);
  recorder_.end_work();
  EXPECT_EQ(recorder_.snapshot().phase, RunPhase::kStarting);
  recorder_.note_ready();
  recorder_.begin_work(RunPhase::kSampling);
  recorder_.end_work();
  EXPECT_EQ(recorder_.snapshot().phase, RunPhase::kTraining);
  recorder_.note_finishing(3);
  recorder_.begin_work(RunPhase::kEvaluating);
  recorder_.end_work();
  EXPECT_EQ(recorder_.snapshot().phase, RunPhase::kFinishing);
}

TEST_F(RunRecorderTest, KeepsOneEvaluationOfTheStepThatItContinuesFrom) {
  const std::string step = "{\"batch_hash\":\"00ff\",\"step\":5}\n";
  const auto evaluation = [](int at, double loss) {
    return fmt::format("{{\"step\":{},\"validation_loss\":{}}}\n", at, loss);
  };
  folder_.write("metrics.jsonl", step + evaluation(5, 1.5) + evaluation(5, 2.5) + evaluation(6, 3.5));
  const auto kept = recorder_.open_log({.offset_bytes = step.size()}, 5).evaluation;
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->step, 5U);
  EXPECT_EQ(kept->result.loss, 1.5);
  EXPECT_EQ(read_file(folder_ / "metrics.jsonl"), step + evaluation(5, 1.5));
  EXPECT_EQ(recorder_.log_position().offset_bytes, (step + evaluation(5, 1.5)).size());
}

std::vector<nlohmann::json> records_in(const Path& file) {
  std::vector<nlohmann::json> records;
  std::istringstream lines(read_file(file));
  for (std::string line; std::getline(lines, line);) records.push_back(nlohmann::json::parse(line));
  return records;
}

TEST_F(RunRecorderTest, RecordsPowerAndHeatOfTheProcessor) {
  MachineUse use{.watts = 35, .joules = 0, .throttled = 0};
  RunRecorder recorder(real_file_system(), folder_.path(), {}, [&] { return use; });
  recorder.open_log({}, 0);
  recorder.note_step({.step = 1}, {}, true);
  use = {.watts = 36, .joules = 72, .throttled = 5};
  recorder.note_step({.step = 2}, {}, false);
  use.throttled = 9;  // at once again: the next record waits
  recorder.note_step({.step = 3}, {}, true);
  recorder.note_end({.reason = "limit", .step = 3});
  const auto records = records_in(folder_ / "metrics.jsonl");
  ASSERT_EQ(records.size(), 4U);
  EXPECT_EQ(records[0].at("watts"), 35);
  EXPECT_EQ(records[1].at("kind"), "throttled");
  EXPECT_EQ(records[1].at("step"), 2);
  EXPECT_EQ(records[1].at("times"), 5);
  EXPECT_EQ(records[2].at("watts"), 36);
  EXPECT_EQ(records[3].at("joules"), 72);
  EXPECT_EQ(records[3].at("throttled"), 9);
}

TEST_F(RunRecorderTest, RecordsNothingThatTheMachineDoesNotShow) {
  RunRecorder recorder(real_file_system(), folder_.path(), {}, [] { return MachineUse{}; });
  recorder.open_log({}, 0);
  recorder.note_step({.step = 1}, {}, true);
  recorder.note_end({.reason = "limit", .step = 1});
  for (const nlohmann::json& record : records_in(folder_ / "metrics.jsonl")) {
    for (const char* key : {"watts", "joules", "throttled"}) EXPECT_FALSE(record.contains(key)) << record;
  }
}

}  // namespace
}  // namespace pretrain
