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
  values.insert({{"corpus", "/wiki"}, {"model", "tiny"}, {"state", "/no/run"}});
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
  RunSummary all_text;
  all_text.reason = EndReason::kStreamEnd;
  EXPECT_EQ(raised_limits(all_text, c), " --epochs 8");
  EXPECT_EQ(reason_of_end(all_text, c), "all epochs done");
  all_text.last_step = 9;
  EXPECT_EQ(nothing_to_do(all_text, c), "") << "it has trained";
}

}  // namespace
}  // namespace pretrain
