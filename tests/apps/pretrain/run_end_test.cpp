// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_end.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/pretrain/configuration.h"

namespace pretrain {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

RunConfiguration configuration(KeyValues values) {
  values.insert({{"corpus", "/wiki"}, {"model", "tiny"}, {"state", "/no/run"}});  // unless it is given
  return to_configuration(values);
}

TEST(RunEnd, WaysOnSkipAllBadStepsOrHalveTheRate) {
  const RunConfiguration c = configuration({{"learning-rate", "0.004"}});
  const std::string skip = "pretrain resume --state /no/run --skip-steps 31-38";
  EXPECT_THAT(ways_on({.first_step = 31, .last_step = 38, .checkpoint_step = 30}, c),
              AllOf(HasSubstr(skip), HasSubstr("from step 30 with half of the learning rate"),
                    HasSubstr("--checkpoint /no/run/checkpoints/step-000000030"),
                    HasSubstr("--state /no/run-branch --learning-rate 0.002")));
  EXPECT_THAT(ways_on({.first_step = 31, .last_step = 38, .checkpoint_step = {}}, c),
              AllOf(HasSubstr(skip), Not(HasSubstr("branch"))));
}

TEST(RunEnd, ABranchIsSuggestedBesideTheRun) {
  const RunConfiguration c = configuration({{"state", "/no/run/"}});
  EXPECT_THAT(ways_on({.first_step = 3, .last_step = 4, .checkpoint_step = 2}, c),
              HasSubstr("--state /no/run-branch --learning-rate"));
}

TEST(RunEnd, NamesTheFileThatLacksRecords) {
  EXPECT_THAT(record_losses({}), testing::IsEmpty());
  EXPECT_THAT(
      record_losses({.in_metrics = 2}),
      testing::ElementsAre("metrics.jsonl lacks 2 records of this session, which could not be written"));
  EXPECT_THAT(record_losses({.in_metrics = 1, .in_events = 1}), testing::SizeIs(2));
}

TEST(RunEnd, AdviceRaisesEachReachedLimit) {
  const RunConfiguration c = configuration({{"steps", "100"}, {"tokens", "3k"}, {"epochs", "4"}});
  RunSummary s;
  EXPECT_EQ(raised_limits(s, c), "");
  s.limits.steps = true;
  EXPECT_EQ(raised_limits(s, c), " --steps 200");
  s.limits.tokens = true;
  EXPECT_EQ(raised_limits(s, c), " --steps 200 --tokens 6000");
  EXPECT_EQ(
      nothing_to_do(s, c),
      "nothing to do: --steps 100 and --tokens 3000 are reached; add --steps 200 --tokens 6000 (0: no limit)");
  const RunConfiguration falling =
      configuration({{"steps", "100"}, {"schedule", "linear"}, {"schedule-steps", "100"}});
  s.limits = {.steps = true};
  s.last_step = 99;
  EXPECT_EQ(raised_limits(s, falling), " --steps 200") << "the schedule continues";
  s.last_step = 100;
  EXPECT_EQ(raised_limits(s, falling), " --steps 200 --schedule-steps 200");
  const RunConfiguration early =
      configuration({{"steps", "100"}, {"schedule", "linear"}, {"schedule-steps", "50"}});
  EXPECT_EQ(raised_limits(s, early), " --steps 200 --schedule-steps 200") << "100 would have ended, too";
  RunSummary all_text;
  all_text.reason = EndReason::kStreamEnd;
  EXPECT_EQ(raised_limits(all_text, c), " --epochs 8");
  EXPECT_EQ(reason_of_end(all_text, c), "all epochs done (--epochs 4)");
  all_text.last_step = 9;
  EXPECT_EQ(nothing_to_do(all_text, c), "") << "it has trained";
}

TEST(RunEnd, AdviceIsMoreThanTheRunHasDoneWhenALimitWasLowered) {
  const RunConfiguration c = configuration({{"steps", "100"}, {"tokens", "10M"}, {"epochs", "1"}});
  RunSummary s;
  s.first_step = s.last_step = 790;
  s.limits = {.steps = true, .tokens = true};
  s.run.tokens = 202'240'000;
  EXPECT_EQ(raised_limits(s, c), " --steps 1580 --tokens 404480k");
  EXPECT_EQ(reason_of_end(s, c), "limit reached (--steps 100, --tokens 10M)");
  s.reason = EndReason::kStreamEnd;
  s.limits = {};
  s.run.epoch = 2;  // the third one
  EXPECT_EQ(raised_limits(s, c), " --epochs 4");
}

TEST(RunEnd, NamesWhatTheUserGave) {
  RunConfiguration c = configuration({{"steps", "100"}, {"tokens", "3k"}, {"time", "90min"}});
  RunSummary s;
  s.limits = {.steps = true, .tokens = true, .time = true};
  EXPECT_EQ(reason_of_end(s, c), "limit reached (--steps 100, --tokens 3000, --time 90min)");
  c.trainer.budget = {.time = std::chrono::hours(8), .most_steps = 100, .is_fixed = false};
  s.limits = {.steps = true};
  EXPECT_EQ(reason_of_end(s, c), "limit reached (--budget 8h)");
  c.trainer.budget.is_fixed = true;
  c.trainer.budget.steps = 100;
  EXPECT_EQ(reason_of_end(s, c), "limit reached (--budget 8h)");
  EXPECT_EQ(nothing_to_do(s, c), "nothing to do: --budget 8h is reached; add --steps 200 (0: no limit)");
  c.trainer.max_steps = 200;
  EXPECT_EQ(reason_of_end(s, c), "limit reached (--steps 200)") << "a resume raised them";
}

}  // namespace
}  // namespace pretrain
