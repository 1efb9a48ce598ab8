// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"

namespace pretrain {
namespace {

using testing::HasSubstr;

ModelConfig model_of(KeyValues values) {
  values.merge(KeyValues{{"corpus", "/wiki"}, {"state", "/run"}});
  return to_configuration(values).model;
}

TEST(Presets, SetTheArchitectureAndItsHeads) {
  const ModelConfig large = model_of({{"model", "qwen3-350m"}});
  EXPECT_EQ(large.architecture, &qwen3());
  EXPECT_EQ(large.kv_heads, 4);
  EXPECT_EQ(large.head_channels, 128);
  EXPECT_EQ(large.rope_theta, 10'000);
  EXPECT_EQ(model_of({{"model", "base"}}).architecture, &gpt2());
  const KeyValues resolved = resolve({{"corpus", "/wiki"}, {"model", "qwen3-125m"}});
  EXPECT_EQ(resolved.at("arch"), "qwen3");
  EXPECT_EQ(resolved.at("kv-heads"), "4");
}

/// What a preset says of heads is about its own: other sizes have the defaults of the architecture.
TEST(Presets, KeepTheirHeadsForTheirOwnSizesAlone) {
  const ModelConfig other = model_of({{"model", "qwen3-125m"}, {"arch", "gpt2"}});
  EXPECT_EQ(other.kv_heads, 0);
  EXPECT_EQ(other.head_channels, 0);
  EXPECT_EQ(model_of({{"model", "qwen3-125m"}, {"heads", "6"}}).kv_heads, 6);
  EXPECT_EQ(model_of({{"model", "qwen3-125m"}, {"kv-heads", "2"}}).kv_heads, 2);
  EXPECT_EQ(model_of({{"model", "qwen3-125m"}, {"arch", "llama"}}).kv_heads, 12);
  EXPECT_EQ(model_of({{"model", "qwen3-350m"}, {"d-model", "512"}}).head_channels, 64);
}

/// Only lists are written as JSON where a text begins with a bracket.
TEST(Resolve, KeepsATextThatLooksLikeAList) {
  for (const std::string command : {"[ -t 0 ] && true", "first\nsecond", "[\"a\"]"}) {
    const KeyValues resolved = resolve({{"corpus", "/wiki"}, {"model", "tiny"}, {"on-event", command}});
    EXPECT_EQ(resolved.at("on-event"), command);
    EXPECT_EQ(resolve(resolved).at("on-event"), command);
    EXPECT_EQ(to_configuration(resolved).on_event, command);
  }
}

TEST(Ramp, NeedsBatchesToGrowTo) {
  const KeyValues alone{{"corpus", "/wiki"}, {"state", "/run"}, {"batch-ramp", "5"}};
  try {
    to_configuration(alone);
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("raise --accumulate"));
  }
}

/// 1 + 1 + 2 + 2 batches of the ramp, then three steps of three.
TEST(Ramp, CountsInTheEndOfAScheduleByTokens) {
  KeyValues values{{"corpus", "/wiki"}, {"state", "/run"},   {"context", "10"}, {"batch", "2"},
                   {"accumulate", "3"}, {"batch-ramp", "4"}, {"tokens", "300"}, {"schedule", "cosine"}};
  RunConfiguration config = to_configuration(values);
  fix_schedule_end(config, values, 0);
  EXPECT_EQ(config.trainer.schedule.total_steps, 7U);
}

/// Two rows of ten tokens, three times a step: 60 tokens.
TEST(Configuration, WhatGoesByTheTokensOfAStepCountsAllItsBatches) {
  const KeyValues values{{"corpus", "/wiki"},
                         {"state", "/run"},
                         {"context", "10"},
                         {"batch", "2"},
                         {"accumulate", "3"},
                         {"beta2-half-life", "60"},
                         {"learning-rate-tokens", "15"}};
  const TrainerOptions trainer = to_configuration(values).trainer;
  EXPECT_DOUBLE_EQ(trainer.optimizer.adamw.beta2, 0.5);
  EXPECT_DOUBLE_EQ(trainer.schedule.scale, 2);
}

TEST(Configuration, TheEndOfAScheduleCountsEachEpochAndAllBatchesOfAStep) {
  KeyValues values{{"corpus", "/wiki"}, {"state", "/run"}, {"context", "10"},     {"batch", "2"},
                   {"accumulate", "3"}, {"epochs", "4"},   {"schedule", "linear"}};
  RunConfiguration config = to_configuration(values);
  EXPECT_TRUE(fix_schedule_end(config, values, 600));
  EXPECT_EQ(config.trainer.schedule.total_steps, 40U);
  EXPECT_EQ(values.at("schedule-steps"), "40");
}

TEST(Configuration, MuonGetsTheHeadsOfTheModel) {
  const auto head_size = [](const KeyValues& more) {
    KeyValues values{{"corpus", "/wiki"}, {"state", "/run"}, {"model", "tiny"}, {"optimizer", "muon"}};
    values.insert(more.begin(), more.end());
    return to_configuration(values).trainer.optimizer.muon.head_size;
  };
  EXPECT_EQ(head_size({}), 16);
  EXPECT_EQ(head_size({{"arch", "qwen3"}, {"head-size", "24"}}), 24);
}

/// Otherwise most of each micro-batch would be padding.
TEST(Configuration, AMicroBatchHasNoMoreRowsThanASlot) {
  const auto rows = [](const char* slots) {
    return to_configuration({{"corpus", "/wiki"},
                             {"state", "/run"},
                             {"context", "10"},
                             {"batch", "8"},
                             {"micro-batch-tokens", "2048"},
                             {"slots", slots}})
        .trainer.micro_rows;
  };
  EXPECT_EQ(rows("1"), 8);
  EXPECT_EQ(rows("3"), 3);
  EXPECT_EQ(rows("4"), 2);
}

TEST(MergeForResume, TakesWhatMayChangeAndKeepsTheRest) {
  const KeyValues saved = resolve({{"corpus", "/wiki"}, {"model", "tiny"}, {"steps", "100"}});
  const KeyValues merged = merge_for_resume(saved, {{"steps", "300"}, {"grad-clip", "1"}});
  EXPECT_EQ(merged.at("steps"), "300");
  EXPECT_EQ(merged.at("model"), "tiny");
  EXPECT_EQ(merged.at("corpus"), "/wiki");
}

TEST(MergeForResume, RefusesAnotherValueOfAFixedKeyAndNamesBoth) {
  const KeyValues saved = resolve({{"corpus", "/wiki"}, {"model", "tiny"}});
  try {
    merge_for_resume(saved, {{"seed", "7"}});
    FAIL() << "another seed was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    EXPECT_THAT(error.what(), HasSubstr("--seed 7 (the run has 1)"));
  }
}

TEST(ModelName, IsThatOfThePresetOnlyForItsSizes) {
  const auto name_of = [](KeyValues given) {
    given.insert({{"corpus", "/wiki"}, {"state", "/run"}});
    return model_name(to_configuration(resolve(given)));
  };
  EXPECT_EQ(name_of({}), "base");
  EXPECT_EQ(name_of({{"model", "tiny"}, {"context", "64"}, {"vocab", "300"}, {"batch", "2"}}), "tiny");
  EXPECT_EQ(name_of({{"model", "qwen3-1m"}}), "qwen3-1m");
  EXPECT_EQ(name_of({{"model", "tiny"}, {"layers", "2"}}), "gpt2 2 x 64");
  EXPECT_EQ(name_of({{"arch", "qwen3"}}), "qwen3 6 x 512");
  EXPECT_EQ(name_of({{"model", "tiny"}, {"d-ff", "512"}}), "gpt2 1 x 64");
}

TEST(MergeForResume, TellsLargeWholeNumbersApart) {
  const KeyValues saved = resolve({{"corpus", "/wiki"}, {"model", "tiny"}, {"seed", "18446744073709551615"}});
  EXPECT_THROW(merge_for_resume(saved, {{"seed", "18446744073709551614"}}), Error);
  EXPECT_EQ(merge_for_resume(saved, {{"seed", "18446744073709551615"}}).at("seed"), saved.at("seed"));
}

TEST(MergeForBranch, TakesEveryKeyButThoseOfTheModel) {
  const KeyValues parent = resolve({{"corpus", "/wiki"}, {"model", "tiny"}, {"time", "2h"}});
  const KeyValues merged =
      merge_for_branch(parent, {{"seed", "7"}, {"learning-rate", "1e-4"}, {"layers", parent.at("layers")}});
  EXPECT_EQ(merged.at("seed"), "7");
  EXPECT_EQ(merged.at("learning-rate"), "1e-4");
  EXPECT_EQ(merged.at("time"), "0s") << "a limit of one session";
  EXPECT_EQ(merged.at("corpus"), "/wiki");
  for (const char* key : {"layers", "d-model", "heads", "d-ff", "context", "vocab"}) {
    try {
      merge_for_branch(parent, {{key, "12345"}});
      FAIL() << key;
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
      EXPECT_THAT(error.what(), HasSubstr(std::string("--") + key + " 12345"));
    }
  }
}

TEST(Resolve, HoldsNoTextOutThatNobodyEvaluates) {
  const auto fraction = [](KeyValues given) {
    given.merge(KeyValues{{"corpus", "/wiki"}, {"model", "tiny"}});
    return to_configuration(resolve(given)).corpus.validation_fraction;
  };
  EXPECT_GT(fraction({}), 0);
  EXPECT_EQ(fraction({{"validation-corpus", "/other"}}), 0);
  EXPECT_EQ(fraction({{"validation-tokens", "0"}}), 0);
  EXPECT_EQ(fraction({{"validation-corpus", "/other"}, {"validation-fraction", "0.25"}}), 0.25);
}

TEST(MergeForResume, KeepsTheHeldOutShareOfARunOfAnEarlierVersion) {
  KeyValues saved = resolve({{"corpus", "/wiki"}, {"model", "tiny"}, {"validation-corpus", "/other"}});
  saved["validation-fraction"] = "0.1";
  const KeyValues merged = merge_for_resume(saved, {{"validation-corpus", "/other"}});
  EXPECT_EQ(to_configuration(merged).corpus.validation_fraction, 0.1);
}

}  // namespace
}  // namespace pretrain
