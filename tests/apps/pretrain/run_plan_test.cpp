// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_plan.h"

#include <set>

#include <gtest/gtest.h>

#include "apps/pretrain/bytes_per_token.h"
#include "apps/pretrain/configuration.h"
#include "libs/base/error.h"
#include "libs/model/parameters.h"

namespace pretrain {
namespace {

constexpr double kHour = 3600;

/// A machine of two cores that keeps 50 to 90 GFLOP/s in steps, and a large Wikipedia.
PlanFacts facts_of(double seconds, double text_bytes = 5e9) {
  return {.seconds = seconds,
          .speed = {{.flops_per_token = 1e7, .flops_per_second = 5e10},
                    {.flops_per_token = 1e8, .flops_per_second = 9e10}},
          .memory_bytes = 16'000'000'000,
          .threads = 2,
          .workers = 2,
          .text_bytes = text_bytes,
          .vocabulary_seconds = 15};
}

ErrorKind refusal(const PlanFacts& facts, std::string& text) {
  try {
    plan_runs(facts);
  } catch (const Error& error) {
    text = error.what();
    return error.kind();
  }
  ADD_FAILURE() << "not refused";
  return ErrorKind::kRuntime;
}

TEST(ScalingLaw, MoreTextAndMoreParametersPredictFewerBits) {
  const auto bits = [](double parameters, double text, double unique) {
    return predict_bits(
               {.parameters = parameters, .text_bytes = text, .unique_bytes = unique, .context_bytes = 900})
        .bits_per_byte;
  };
  EXPECT_LT(bits(1e7, 1e9, 1e10), bits(1e6, 1e9, 1e10));
  EXPECT_LT(bits(1e7, 1e9, 1e10), bits(1e7, 1e8, 1e10));
  EXPECT_LT(bits(1e6, 1e8, 1e8), bits(1e6, 1e8, 1e7)) << "text that is repeated counts less";
  EXPECT_LT(bits(1e6, 2e8, 1e7), bits(1e6, 1e8, 1e7)) << "but it counts";
}

TEST(ScalingLaw, ALongerContextPredictsFewerBitsByLessEachTime) {
  const auto bits = [](double context) {
    return predict_bits({.parameters = 1e6, .text_bytes = 1e7, .unique_bytes = 1e9, .context_bytes = context})
        .bits_per_byte;
  };
  // As measured: 128 instead of 256 tokens of 3.67 bytes cost 0.031.
  EXPECT_NEAR(bits(470) - bits(940), 0.031, 0.002);
  EXPECT_GT(bits(470) - bits(940), bits(940) - bits(1880));
}

TEST(ScalingLaw, TheBestSizeGrowsWithTheText) {
  const auto best = [](double flops) {
    double least = 1e9, size = 0;
    for (double parameters = 1e5; parameters < 1e10; parameters *= 1.2) {
      const double text = flops / (6 * parameters) * 3.5;
      const double bits =
          predict_bits(
              {.parameters = parameters, .text_bytes = text, .unique_bytes = 1e15, .context_bytes = 900})
              .bits_per_byte;
      if (bits < least) least = bits, size = parameters;
    }
    return size;
  };
  EXPECT_GT(best(1e16), 2 * best(1e14));
  EXPECT_GT(best(1e14), 1e5);
  EXPECT_LT(best(1e16), 1e9);
}

TEST(ScalingLaw, IsLessCertainOutsideOfTheRunsThatWereFitted) {
  const auto share = [](double parameters, double text) {
    const PredictedBits p = predict_bits(
        {.parameters = parameters, .text_bytes = text, .unique_bytes = 1e12, .context_bytes = 900});
    return p.uncertainty / p.bits_per_byte;
  };
  EXPECT_GT(share(1e6, 2e6), 0.03);
  EXPECT_GT(share(1e9, 2e6), share(1e6, 2e6));
  EXPECT_GT(share(1e6, 2e10), share(1e6, 2e6));
}

TEST(RunPlan, MoreTimeNeverPredictsWorse) {
  for (const double text : {1e6, 2e7, 5e9}) {
    double before = 1e9;
    for (double seconds = 60; seconds < 1e7; seconds *= 1.07) {
      const PlannedRun best = plan_runs(facts_of(seconds, text)).front();
      EXPECT_LE(best.predicted.bits_per_byte, before + 1e-12) << seconds << " s, " << text << " bytes";
      before = best.predicted.bits_per_byte;
    }
  }
}

TEST(RunPlan, MoreTimeTrainsALargerModelOfALargeText) {
  EXPECT_GT(plan_runs(facts_of(24 * kHour)).front().parameters,
            2 * plan_runs(facts_of(kHour / 6)).front().parameters);
}

TEST(RunPlan, EveryRunEndsInTimeAndFitsIntoMemory) {
  for (double seconds = 60; seconds < 1e7; seconds *= 3) {
    PlanFacts facts = facts_of(seconds);
    facts.memory_bytes = 700'000'000;
    for (const PlannedRun& run : plan_runs(facts)) {
      EXPECT_LE(run.memory_bytes, facts.memory_bytes);
      EXPECT_LE(run.seconds, seconds);
      EXPECT_TRUE(run.seconds > 0.9 * seconds || run.epochs > 3.99) << "time or text is used up";
      const auto step = static_cast<double>(run.batch * run.model.context);
      EXPECT_LE(static_cast<double>(run.steps) * step, run.tokens);
      EXPECT_GE(run.most_steps, run.steps);
      EXPECT_GE(run.warmup, 1U);
      EXPECT_LT(run.warmup, run.steps / 4);
    }
  }
}

TEST(RunPlan, ASlowerMachineTrainsFewerTokens) {
  PlanFacts slow = facts_of(kHour);
  for (MeasuredSpeed& speed : slow.speed) speed.flops_per_second /= 4;
  const PlannedRun fast_run = plan_runs(facts_of(kHour)).front(), slow_run = plan_runs(slow).front();
  EXPECT_GT(slow_run.predicted.bits_per_byte, fast_run.predicted.bits_per_byte);
  EXPECT_LE(slow_run.parameters, fast_run.parameters);
}

PlanFacts shared_facts(int machines, double bits_per_second) {
  PlanFacts facts = facts_of(8 * kHour);
  facts.machines = machines;
  facts.network_bits_per_second = bits_per_second;
  return facts;
}

TEST(RunPlan, MoreMachinesTrainMoreOnAFastNetwork) {
  const double alone = plan_runs(facts_of(8 * kHour)).front().predicted.bits_per_byte;
  double before = alone;
  for (const int machines : {2, 3, 4, 8}) {
    const PlannedRun best = plan_runs(shared_facts(machines, 1e10)).front();
    EXPECT_LT(best.predicted.bits_per_byte, before) << machines;
    EXPECT_GE(best.batch, machines) << "a sequence for each slot";
    EXPECT_LE(best.efficiency, 1);
    EXPECT_GT(best.efficiency, 0.8) << machines;
    before = best.predicted.bits_per_byte;
  }
}

TEST(RunPlan, ASlowNetworkMakesStepsLargerAndEightTimesAtMost) {
  const auto size_of = [](const PlanFacts& facts, uint64_t parameters) {
    for (const PlannedRun& run : plan_runs(facts)) {
      if (run.parameters == parameters) return run;
    }
    ADD_FAILURE() << parameters;
    return PlannedRun{};
  };
  const uint64_t parameters = plan_runs(shared_facts(4, 1e9)).front().parameters;
  const PlannedRun fast = size_of(shared_facts(4, 1e12), parameters),
                   slow = size_of(shared_facts(4, 1e8), parameters);
  EXPECT_GT(slow.batch, fast.batch);
  EXPECT_LE(slow.batch, 8 * fast.batch);
  EXPECT_LT(slow.efficiency, fast.efficiency);
  EXPECT_LT(slow.tokens_per_second, fast.tokens_per_second);
}

TEST(RunPlan, FewStepsDoNotBecomeFewer) {
  PlanFacts facts = shared_facts(2, 1e8);
  facts.seconds = 60;
  const PlannedRun shared = plan_runs(facts).front();
  EXPECT_EQ(shared.batch * shared.model.context, 2048);
}

TEST(RunPlan, ASmallTextIsNotRepeatedForEver) {
  const PlannedRun best = plan_runs(facts_of(24 * kHour, 2e6)).front();
  EXPECT_LE(best.epochs, 4.01);
  EXPECT_LT(best.seconds, 12 * kHour) << "ends before the time is over";
  EXPECT_LE(best.model.vocabulary, 8000) << "a piece for each 250 bytes";
  EXPECT_LT(best.parameters, plan_runs(facts_of(24 * kHour)).front().parameters);
}

TEST(RunPlan, TheListIsSortedAndEachSizeIsThereOnce) {
  const auto runs = plan_runs(facts_of(8 * kHour));
  ASSERT_GT(runs.size(), 5U);
  std::set<uint64_t> sizes;
  for (size_t i = 0; i < runs.size(); ++i) {
    EXPECT_TRUE(sizes.insert(runs[i].parameters).second);
    EXPECT_EQ(runs[i].parameters, ParameterLayout(runs[i].model).parameter_count());
    if (i > 0) {
      EXPECT_GE(runs[i].predicted.bits_per_byte, runs[i - 1].predicted.bits_per_byte);
    }
  }
}

TEST(RunPlan, WhatCanNotBePlannedIsRefusedWithWhatCan) {
  std::string text;
  EXPECT_EQ(refusal(facts_of(1), text), ErrorKind::kUsage);
  EXPECT_NE(text.find("no run can be planned for 1s:"), std::string::npos) << text;
  PlanFacts small = facts_of(kHour);
  small.memory_bytes = 1'000'000;
  EXPECT_EQ(refusal(small, text), ErrorKind::kUsage);
  EXPECT_NE(text.find("no run fits into 1.00 MB of memory"), std::string::npos) << text;
  EXPECT_EQ(refusal(facts_of(kHour, 500), text), ErrorKind::kData);
  EXPECT_NE(text.find("corpus is too small"), std::string::npos) << text;
}

TEST(RunPlan, TheTimeThatARefusalNamesIsEnough) {
  PlanFacts facts = facts_of(1);
  for (double seconds = 1; seconds < 60; ++seconds) {
    facts.seconds = seconds;
    try {
      EXPECT_GE(plan_runs(facts).front().steps, 20U);
      EXPECT_LT(seconds, 40) << "the vocabulary takes 15 s";
      EXPECT_GT(seconds, 15);
      return;
    } catch (const Error&) {
    }
  }
  ADD_FAILURE() << "nothing fits into a minute";
}

TEST(RunPlan, ItsOptionsMakeTheModelThatWasPlanned) {
  for (const PlannedRun& run : plan_runs(facts_of(100 * kHour))) {
    KeyValues values = options_of(run);
    values["corpus"] = "/corpus";
    values["state"] = "/run";
    const RunConfiguration config = to_configuration(resolve(values));
    EXPECT_EQ(ParameterLayout(config.model).parameter_count(), run.parameters);
    EXPECT_EQ(config.batch, run.batch);
    EXPECT_EQ(config.trainer.max_steps, run.steps);
    EXPECT_EQ(config.trainer.schedule.kind, ScheduleKind::kWsd);
    EXPECT_DOUBLE_EQ(config.trainer.schedule.peak, run.learning_rate);
    EXPECT_EQ(config.trainer.optimizer.kind, OptimizerKind::kMuon);
  }
}

TEST(RunPlan, EveryOptionThatItSetsIsOneThatABudgetDecides) {
  const auto decided = planned_options();
  for (const std::string_view option : decided) EXPECT_NE(find_run_option(option), nullptr) << option;
  for (const auto& [option, value] : options_of(plan_runs(facts_of(kHour)).front())) {
    if (option == "validation-fraction") continue;  // the user's, if given
    EXPECT_NE(std::ranges::find(decided, option), decided.end()) << option;
  }
}

TEST(RunPlan, BetterModelsAreSaidToWriteSomethingElse) {
  std::set<std::string_view> texts;
  for (double bits = 0.8; bits < 3; bits += 0.05) texts.insert(ability(bits));
  EXPECT_EQ(texts.size(), 7U);
}

}  // namespace
}  // namespace pretrain
