// SPDX-License-Identifier: Apache-2.0
// Each option's way to what it does, where only a run can show it.

#include <fstream>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

using testing::HasSubstr;

/// A few steps of the smallest model.
Words short_run(const std::filesystem::path& state, const Words& more) {
  return tiny_run(state) + Words{"--steps", "4", "--warmup", "0"} + more;
}

std::map<std::string, std::string> trained(const TempFolder& folder, const std::string& name,
                                           const Words& more) {
  const auto state = folder / name;
  const auto run = run_program(binary(), short_run(state, more));
  EXPECT_EQ(run.exit_code, 0) << run.output;
  return state_hashes(state, 4);
}

TEST(Wiring, WhatChangesTheOptimizerChangesTheWeights) {
  const TempFolder folder;
  const auto plain = trained(folder, "plain", {});
  EXPECT_EQ(trained(folder, "again", {}), plain);
  const std::vector<Words> changes{{"--beta1", "0.5"},
                                   {"--beta2", "0.5"},
                                   {"--weight-decay", "5"},
                                   {"--grad-clip", "1e-3"},
                                   {"--accumulate", "2"},
                                   {"--learning-rate", "1e-4"},
                                   {"--warmup", "100"},
                                   {"--schedule", "cosine"},
                                   {"--optimizer", "muon"},
                                   {"--cautious-decay", "yes"},
                                   {"--batch-ramp", "3", "--accumulate", "2"},
                                   {"--output-start", "zero"},
                                   {"--beta2-half-life", "5k"},
                                   {"--learning-rate-tokens", "1k"}};
  for (const Words& change : changes) {
    const auto other = trained(folder, change[0].substr(2), change);
    EXPECT_NE(other.at("model.safetensors"), plain.at("model.safetensors")) << change[0];
  }
}

TEST(Wiring, WhatChangesMuonChangesTheWeights) {
  const TempFolder folder;
  const Words muon{"--optimizer", "muon"};
  const auto plain = trained(folder, "plain", muon);
  for (const Words& change :
       {Words{"--muon-momentum", "0.5"}, {"--muon-warmup", "2"}, {"--muon-neuron-decay", "0.9"}}) {
    const auto other = trained(folder, change[0].substr(2), muon + change);
    EXPECT_NE(other.at("model.safetensors"), plain.at("model.safetensors")) << change[0];
  }
}

TEST(Wiring, WhatChangesACooldownChangesTheWeights) {
  const TempFolder folder;
  const Words wsd{"--schedule", "wsd", "--cooldown-share", "1"};
  const auto plain = trained(folder, "plain", wsd);
  EXPECT_NE(plain.at("model.safetensors"), trained(folder, "constant", {}).at("model.safetensors"));
  EXPECT_EQ(plain.at("model.safetensors"),
            trained(folder, "linear", {"--schedule", "linear"}).at("model.safetensors"))
      << "all of it is a line";
  for (const Words& words :
       {wsd + Words{"--cooldown-share", "0.5"}, wsd + Words{"--cooldown-shape", "1-sqrt"},
        Words{"--schedule", "cooldown", "--cooldown-start", "1"}}) {
    const auto other = trained(folder, words.back(), words);
    EXPECT_NE(other.at("model.safetensors"), plain.at("model.safetensors")) << words.back();
  }
}

TEST(Wiring, TheSeedReachesWeightsAndOrder) {
  const TempFolder folder;
  const auto one = folder / "one", two = folder / "two";
  ASSERT_EQ(run_program(binary(), short_run(one, {"--seed", "1"})).exit_code, 0);
  ASSERT_EQ(run_program(binary(), short_run(two, {"--seed", "2"})).exit_code, 0);
  EXPECT_NE(state_hashes(one, 0).at("model.safetensors"), state_hashes(two, 0).at("model.safetensors"));
  EXPECT_NE(steps(one).front()["batch_hash"], steps(two).front()["batch_hash"]);
}

TEST(Wiring, RecomputeChangesMemoryAndNoWeight) {
  const TempFolder folder;
  const auto plain = trained(folder, "plain", {});
  for (const std::string mode : {"none", "layers"})
    EXPECT_EQ(trained(folder, mode, {"--recompute", mode}).at("model.safetensors"),
              plain.at("model.safetensors"));
}

TEST(Wiring, RecomputeSavesTheMemoryOfLayers) {
  const TempFolder folder;
  const auto resident = [&](const std::string& mode) {
    const auto state = folder / mode;
    const Words deep{"--layers", "6", "--context", "256", "--batch", "16", "--micro-batch-tokens", "4096"};
    const auto run =
        run_program(binary(), short_run(state, deep + Words{"--steps", "1", "--recompute", mode}));
    EXPECT_EQ(run.exit_code, 0) << run.output;
    return steps(state).back()["resident_bytes"].get<double>();
  };
  // Six layers keep at least 16 floats for each of 64 channels and 4,096 tokens, or one layer does.
  EXPECT_GT(resident("none"), resident("layers") + 5 * 16 * 4 * 64 * 4096.0 / 2);
}

TEST(Wiring, SlotsAreAddedInTheirOwnOrder) {
  const TempFolder folder;
  const auto plain = trained(folder, "plain", {});
  const auto one = trained(folder, "one", {"--slots", "1"});
  const auto three = trained(folder, "three", {"--slots", "3"});
  EXPECT_EQ(one.at("model.safetensors"), plain.at("model.safetensors"));
  EXPECT_NE(three.at("model.safetensors"), plain.at("model.safetensors"));
  EXPECT_EQ(trained(folder, "threads", {"--slots", "3", "--threads", "3"}).at("model.safetensors"),
            three.at("model.safetensors"));
}

TEST(Wiring, SlotsServeMuonForAnyNumberOfThreads) {
  const TempFolder folder;
  const Words muon{"--optimizer", "muon", "--slots", "3"};
  const auto three = trained(folder, "three", muon);
  EXPECT_EQ(trained(folder, "threads", muon + Words{"--threads", "3"}), three);
  EXPECT_NE(trained(folder, "one", muon + Words{"--slots", "1"}).at("model.safetensors"),
            three.at("model.safetensors"));
}

TEST(Wiring, AnExchangeInBf16IsFixedForTheRun) {
  const TempFolder folder;
  const Words bf16{"--slots", "2", "--exchange", "bf16"};
  const auto rounded = trained(folder, "rounded", bf16);
  EXPECT_NE(rounded.at("model.safetensors"),
            trained(folder, "two", {"--slots", "2"}).at("model.safetensors"));
  EXPECT_EQ(trained(folder, "threads", bf16 + Words{"--threads", "3"}), rounded);
  const auto resumed =
      run_program(binary(), {"resume", "--state", (folder / "rounded").string(), "--exchange", "f32"});
  EXPECT_EQ(resumed.exit_code, 2);
  EXPECT_THAT(resumed.output, HasSubstr("exchange"));
}

TEST(Wiring, MoreSlotsThanSequencesAreRefused) {
  const TempFolder folder;
  const auto run = run_program(binary(), tiny_run(folder / "run") + Words{"--slots", "9", "--steps", "1"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.output, HasSubstr("--slots 9 is more than the 8 sequences of a step"));
}

TEST(Wiring, ACosineByTokensCountsAccumulatedBatches) {
  const TempFolder folder;
  const auto state = folder / "run";
  // 8 rows of 32 tokens, twice a step: 10 steps.
  Words words = tiny_run(state) + Words{"--schedule", "cosine", "--tokens", "5120", "--accumulate", "2"} +
                Words{"--warmup", "0", "--learning-rate", "0.01"};
  ASSERT_EQ(run_program(binary(), words).exit_code, 0);
  ASSERT_EQ(steps(state).size(), 10U);
  EXPECT_NEAR(steps(state).back()["learning_rate"].get<double>(), 0.001, 1e-9)
      << "the floor, a tenth of the peak";
}

TEST(Wiring, KeepEveryKeepsCheckpointsForGood) {
  const TempFolder folder;
  const auto state = folder / "run";
  const auto run = run_program(binary(), tiny_run(state) + Words{"--steps", "9", "--checkpoint-every", "1"} +
                                             Words{"--keep", "2", "--keep-every", "3"});
  ASSERT_EQ(run.exit_code, 0) << run.output;
  std::set<uint64_t> kept;
  for (const CheckpointEntry& entry : list_checkpoints(state)) kept.insert(entry.step);
  EXPECT_THAT(kept, testing::IsSupersetOf({3U, 6U, 8U, 9U}));
  EXPECT_FALSE(kept.contains(2)) << "not kept for good, and older than two newer ones";
}

/// The option comes without a value here, and another option follows it.
TEST(Wiring, DeduplicateAndMinWordsSkipDocuments) {
  const TempFolder folder;
  std::string lines;
  for (int i = 0; i < 40; ++i) {
    const std::string text =
        fmt::format("{0} is one of the {0} towns of the north, and {0} rivers pass it.", i % 20);
    lines += fmt::format("{{\"title\": \"{0}\", \"text\": \"{1}\"}}\n{{\"text\": \"stub {0}\"}}\n", i, text);
  }
  folder.write("towns.jsonl", lines);
  const auto state = folder / "run";
  const auto run = run_program(binary(), {"train",
                                          "--deduplicate",
                                          "--min-words",
                                          "5",
                                          "--corpus",
                                          (folder / "towns.jsonl").string(),
                                          "--model",
                                          "tiny",
                                          "--context",
                                          "8",
                                          "--batch",
                                          "2",
                                          "--validation-fraction",
                                          "0",
                                          "--sample-tokens",
                                          "0",
                                          "--state",
                                          state.string(),
                                          "--epochs",
                                          "1"});
  ASSERT_EQ(run.exit_code, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("sample: 40 documents; 50.0 % repeat an earlier one"));
  EXPECT_THAT(run.output,
              HasSubstr("documents read: 20; skipped: 40 fewer words than --min-words, 20 the same text"));
  std::map<std::string, int> reasons;
  std::ifstream file(state / "skipped.jsonl");
  for (std::string line; std::getline(file, line);)
    ++reasons[nlohmann::json::parse(line).at("reason").get<std::string>()];
  EXPECT_EQ(reasons["few_words"], 40);
  EXPECT_EQ(reasons["duplicate"], 20);
  const auto resumed = run_program(binary(), {"resume", "--state", state.string(), "--min-words", "6"});
  EXPECT_EQ(resumed.exit_code, 2);
}

/// Pairs that differ in one word: of many, one is held out.
TEST(Wiring, DeduplicateSkipsWhatTheEvaluationSetHas) {
  const TempFolder folder;
  std::string lines;
  for (int i = 0; i < 200; ++i) {
    std::string words;
    for (int word = 0; word < 40; ++word) words += fmt::format("w{} ", 1000 * word + i);
    lines += fmt::format("{{\"text\": \"{0}one\"}}\n{{\"text\": \"{0}two\"}}\n", words);
  }
  folder.write("pairs.jsonl", lines);
  const auto state = folder / "run";
  Words words = tiny_run(state) + Words{"--corpus", (folder / "pairs.jsonl").string(), "--epochs", "1"} +
                Words{"--deduplicate", "near", "--validation-fraction", "0.3"};
  const auto run = run_program(binary(), words);
  ASSERT_EQ(run.exit_code, 0) << run.output;
  std::map<std::string, int> reasons;
  std::ifstream file(state / "skipped.jsonl");
  for (std::string line; std::getline(file, line);)
    ++reasons[nlohmann::json::parse(line).at("reason").get<std::string>()];
  EXPECT_GT(reasons["evaluated_duplicate"], 30);
}

/// Forecasts of the end of a run by epochs need it.
TEST(Wiring, TheLengthOfAnEpochIsInTheRecord) {
  const TempFolder folder;
  const auto state = folder / "run";
  ASSERT_EQ(run_program(binary(), short_run(state, {})).exit_code, 0);
  std::ifstream file(state / "metrics.jsonl");
  size_t sessions = 0;
  for (std::string line; std::getline(file, line);) {
    const auto record = nlohmann::json::parse(line);
    if (record.at("kind") != "session") continue;
    ++sessions;
    EXPECT_GT(record.at("limits").at("epoch_tokens"), 10'000);
  }
  EXPECT_EQ(sessions, 1U);
}

TEST(Wiring, ValidationTokensBoundTheEvaluationSet) {
  const TempFolder folder;
  const auto state = folder / "run";
  const auto run = run_program(binary(), tiny_run(state) + Words{"--steps", "1", "--validation-tokens", "96",
                                                                 "--validation-fraction", "0.3"});
  EXPECT_THAT(run.output, HasSubstr("evaluation set: 3 sequences, 96 tokens"));
}

}  // namespace
}  // namespace pretrain::test
