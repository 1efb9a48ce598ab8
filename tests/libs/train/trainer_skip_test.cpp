// SPDX-License-Identifier: Apache-2.0
// Steps that the user wants skipped: their batches come from the stream and nothing else happens.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/train/trainer.h"
#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

using test::steps_only;
using test::TestRun;
using testing::ElementsAre;

TrainerOptions skipping(uint64_t steps, const char* skips) {
  TrainerOptions options = steps_only(steps);
  options.skips = SkipRanges::parse(skips).value();
  return options;
}

std::vector<nlohmann::json> skip_records(const TestRun& run) {
  std::vector<nlohmann::json> found;
  for (const auto& record : run.log()) {
    if (record.contains("skipped_on_request")) found.push_back(record);
  }
  return found;
}

void expect_same_run(const TestRun& actual, const TestRun& expected) {
  EXPECT_EQ(actual.parameters(), expected.parameters());
  EXPECT_EQ(actual.newest_hashes(), expected.newest_hashes());
}

TEST(TrainerSkips, TheBatchesOfSkippedStepsAreTakenAndNotTrained) {
  TestRun run;
  const RunSummary summary = run.train(skipping(8, "4-6"));
  EXPECT_EQ(summary.last_step, 8U);
  EXPECT_EQ(summary.run.skipped_steps, 3U);
  std::vector<uint64_t> steps;
  for (const StepRecord& record : run.observer.steps) {
    steps.push_back(record.step);
    EXPECT_EQ(record.batch_hash, test::random_batch(run.model, run.source.rows, record.step - 1).hash);
  }
  EXPECT_THAT(steps, ElementsAre(1, 2, 3, 7, 8));
}

TEST(TrainerSkips, ASkippedStepChangesNoParameter) {
  TestRun run;
  run.train(steps_only(3));
  const auto before = run.parameters();
  run.train(skipping(6, "4-6"));
  EXPECT_EQ(run.parameters(), before);
}

TEST(TrainerSkips, EachSkippedStepIsInTheLogWithItsBatchesAndDocuments) {
  TestRun run;
  TrainerOptions options = skipping(4, "2,4");
  options.accumulate = 2;
  options.log_every = 0;
  run.train(options);
  const auto records = skip_records(run);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0]["step"], 2);
  EXPECT_EQ(records[0]["applied"], false);
  EXPECT_EQ(records[0]["passed_over_batches"], nlohmann::json({2, 3}));
  EXPECT_EQ(records[0]["documents"], nlohmann::json({"document 2", "document 3"}));
  EXPECT_EQ(records[1]["passed_over_batches"], nlohmann::json({6, 7}));
}

TEST(TrainerSkips, TokensOfSkippedStepsCountAsRead) {
  TestRun run;
  run.train(skipping(4, "2"));
  uint64_t tokens = 0;
  std::vector<uint64_t> after;
  for (uint64_t n = 0; n < 4; ++n)
    after.push_back(tokens += test::random_batch(run.model, run.source.rows, n).target_count);
  ASSERT_EQ(skip_records(run).size(), 1U);
  EXPECT_EQ(skip_records(run)[0]["tokens"], after[1]);
  ASSERT_EQ(run.observer.steps.size(), 3U);
  EXPECT_EQ(run.observer.steps[1].tokens, after[2]);
  EXPECT_EQ(run.observer.steps[2].tokens, after[3]);
}

TEST(TrainerSkips, AResumeInsideOfARangeSkipsTheRestOfIt) {
  TestRun straight;
  straight.train(skipping(12, "4-6,9-10"));
  TestRun resumed;
  resumed.train(skipping(5, "4-6,9-10"));
  resumed.train(steps_only(9));  // the checkpoint knows the ranges
  resumed.train(steps_only(12));
  expect_same_run(resumed, straight);
  EXPECT_EQ(skip_records(resumed).size(), 5U);
}

TEST(TrainerSkips, SkippingTheBatchesThatStoppedARunLetsItContinue) {
  TestRun run;
  run.poison();
  run.source.poisoned = {2, 3, 4, 5, 6, 7};
  EXPECT_THROW(run.train(steps_only(12)), Diverged);
  const RunSummary summary = run.train(skipping(12, "3-8"));
  EXPECT_EQ(summary.last_step, 12U);
  EXPECT_EQ(summary.run.returns, 0U);
  EXPECT_TRUE(test::all_finite(run.parameters()));
}

TEST(TrainerSkips, NoSkippedStepPushesACheckpointOut) {
  TestRun run;
  run.keep = 2;
  TrainerOptions options = skipping(8, "5-20");
  options.checkpoint_every = 2;
  run.train(options);
  EXPECT_THAT(run.checkpoint_steps(), ElementsAre(8, 4, 2)) << "the last one so that the run can be resumed";
  options.max_steps = 24;
  run.train(options);
  EXPECT_THAT(run.checkpoint_steps(), ElementsAre(24, 22));
}

TEST(TrainerSkips, ARangeBetweenBadStepsIsRepeatedWithThem) {
  TestRun straight;
  straight.poison();
  straight.source.poisoned = {3, 6};
  straight.train(skipping(10, "5-6"));
  TestRun stopped;
  stopped.poison();
  stopped.source.poisoned = {3, 6};
  EXPECT_EQ(stopped.train(skipping(6, "5-6")).saved_step, 3U);
  stopped.train(steps_only(10));
  expect_same_run(stopped, straight);
}

TEST(SkipRanges, AreReadAsTheyAreTyped) {
  EXPECT_EQ(SkipRanges::parse("7")->to_string(), "7");
  EXPECT_EQ(SkipRanges::parse("120-125,300")->to_string(), "120-125,300");
  EXPECT_EQ(SkipRanges::parse("9-10,4-6")->to_string(), "4-6,9-10");
  EXPECT_EQ(SkipRanges::parse("9007199254740992")->to_string(), "9007199254740992");
  for (const char* text : {"", ",", "1,", ",1", "0", "0-3", "5-4", "a", "1-", "-1", "1-2-3", "1 - 2", "+1",
                           "1.5", "9007199254740993", "18446744073709551616", "1--2"}) {
    EXPECT_FALSE(SkipRanges::parse(text).has_value()) << text;
  }
}

TEST(SkipRanges, ThatOverlapOrTouchBecomeOne) {
  EXPECT_EQ(SkipRanges::parse("1-3,4-6")->to_string(), "1-6");
  EXPECT_EQ(SkipRanges::parse("5-9,1-6,20,8-12")->to_string(), "1-12,20");
  EXPECT_EQ(SkipRanges::parse("1-3,5-6")->to_string(), "1-3,5-6");
}

TEST(SkipRanges, HoldBothEnds) {
  const auto ranges = SkipRanges::parse("4-6").value();
  EXPECT_FALSE(ranges.range_of(3));
  EXPECT_TRUE(ranges.range_of(4));
  EXPECT_TRUE(ranges.range_of(6));
  EXPECT_FALSE(ranges.range_of(7));
}

TEST(SkipRanges, RequestsOutliveTheProcess) {
  const test::TempFolder folder;
  EXPECT_TRUE(load_skip_requests(folder.path()).empty());
  const auto ranges = SkipRanges::parse("4-6,9").value();
  save_skip_requests(real_file_system(), folder.path(), ranges);
  EXPECT_EQ(load_skip_requests(folder.path()), ranges);
  save_skip_requests(real_file_system(), folder.path(), {});
  EXPECT_TRUE(load_skip_requests(folder.path()).empty());
}

TEST(SkipRanges, AFileOfSomethingElseIsRefused) {
  for (const char* text :
       {"", "{", "7", "[7]", "[[3]]", "[[5,4]]", "[[0,1]]", "[[-1,2]]", "[[\"a\",2]]", "{\"a\":1}"}) {
    const test::TempFolder folder;
    write_file_atomically(real_file_system(), folder / "skip-steps.json", text);
    const auto error = test::error_of([&] { load_skip_requests(folder.path()); });
    ASSERT_TRUE(error.has_value()) << text;
    EXPECT_EQ(error->kind(), ErrorKind::kData) << text;
    EXPECT_TRUE(test::contains(error, "skip-steps.json")) << error->what();
  }
}

}  // namespace
}  // namespace pretrain
