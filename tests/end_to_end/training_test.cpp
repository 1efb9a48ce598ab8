// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/end_to_end/run.h"
#include "tests/support/sanitizers.h"

namespace pretrain::test {
namespace {

TEST(Training, LearnsTheSampleCorpusAndWritesTextWithIt) {
  const TempFolder folder;
  const auto state = folder / "run";
  const auto run = run_program(binary(), tiny_run(state) + Words{"--steps", "400", "--learning-rate", "5e-3",
                                                                 "--sample-tokens", "40"});
  ASSERT_EQ(run.exit_code, 0) << run.output;
  std::vector<double> losses;
  for (const auto& record : records(state)) {
    if (record.contains("validation_loss")) losses.push_back(record["validation_loss"].get<double>());
  }
  ASSERT_GE(losses.size(), 3U);
  EXPECT_GT(losses.front(), 5.0);
  EXPECT_LT(losses.back(), 2.7);
  const auto text = run_program(
      binary(), {"generate", "--checkpoint", state.string(), "--prompt", "The ", "--tokens", "30"});
  EXPECT_EQ(text.exit_code, 0) << text.output;
  EXPECT_TRUE(text.output.starts_with("The ")) << text.output;
  const auto again = run_program(
      binary(), {"generate", "--checkpoint", state.string(), "--prompt", "The ", "--tokens", "30"});
  EXPECT_EQ(text.output, again.output);
}

TEST(Training, MetricsHoldTheKeysThatToolsRelyOn) {
  const TempFolder folder;
  const auto state = folder / "run";
  ASSERT_EQ(run_program(binary(), tiny_run(state) + Words{"--steps", "3"}).exit_code, 0);
  ASSERT_EQ(steps(state).size(), 3U);
  for (const char* key :
       {"step", "tokens", "epoch", "loss", "learning_rate", "grad_norm", "step_seconds", "forward_seconds",
        "backward_seconds", "optimizer_seconds", "loss_seconds", "data_wait_seconds", "tokens_per_second",
        "flops_utilization", "sequence_buffer", "batch_queue", "resident_bytes", "batch_hash"}) {
    EXPECT_TRUE(steps(state).front().contains(key)) << key;
  }
  EXPECT_EQ(steps(state).back()["tokens"], 3 * 8 * 32);
  const auto all = records(state);
  EXPECT_EQ(all.front()["kind"], "session");
  const auto first =
      std::ranges::find_if(all, [](const auto& record) { return record.contains("validation_loss"); });
  ASSERT_NE(first, all.end());
  EXPECT_EQ((*first)["step"], 0);
  EXPECT_TRUE(first->contains("bits_per_byte"));
}

/// Counts bytes, not seconds: a leak of 2 KB a step is noticed.
TEST(Training, MemoryIsFlatOverTwoThousandSteps) {
  if (kSanitized) GTEST_SKIP() << "sanitizers hold freed memory back";
  const TempFolder folder;
  const auto state = folder / "run";
  const auto run =
      run_program(binary(), tiny_run(state) + Words{"--steps", "3000", "--shuffle-buffer", "200",
                                                    "--checkpoint-every", "500", "--log-every", "100"});
  ASSERT_EQ(run.exit_code, 0) << run.output;
  std::map<uint64_t, double> resident;
  for (const auto& record : steps(state))
    resident[record["step"].get<uint64_t>()] = record["resident_bytes"].get<double>();
  ASSERT_TRUE(resident.contains(1000) && resident.contains(3000));
  constexpr double kArenas = 4e6;  // what the allocator may keep besides: an arena more or less
  EXPECT_LT(resident[3000] - resident[1000], kArenas);
}

TEST(Training, EveryPresetTrains) {
  for (const char* preset :
       {"base", "large", "xl-vocab", "quality", "prototype", "shakespeare", "small", "v2", "tiny", "fast"}) {
    const TempFolder folder;
    // The widths are the preset's; vocabulary, context and batch are cut so that CI can afford it.
    const auto run = run_program(binary(), {"--corpus",
                                            sample_corpus(),
                                            "--state",
                                            (folder / "run").string(),
                                            "--model",
                                            preset,
                                            "--vocab",
                                            "600",
                                            "--context",
                                            "32",
                                            "--batch",
                                            "2",
                                            "--steps",
                                            "2",
                                            "--sample-tokens",
                                            "5",
                                            "--shuffle-buffer",
                                            "500",
                                            "--validation-tokens",
                                            "64"});
    EXPECT_EQ(run.exit_code, 0) << preset << run.output;
    EXPECT_EQ(last_step(folder / "run"), 2U) << preset;
  }
}

TEST(Training, BoundedEpochsEndByThemselves) {
  const TempFolder folder;
  const auto state = folder / "run";
  const auto run = run_program(
      binary(), tiny_run(state) + Words{"--epochs", "1", "--schedule", "cosine", "--batch", "64"});
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_NE(run.output.find("all epochs done"), std::string::npos) << run.output;
  ASSERT_FALSE(steps(state).empty());
  EXPECT_EQ(steps(state).back()["epoch"], 0);
}

TEST(Training, ChunkPackingTrains) {
  const TempFolder folder;
  const auto state = folder / "run";
  const auto run = run_program(
      binary(), tiny_run(state) + Words{"--packing", "chunk", "--steps", "20", "--accumulate", "2"});
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_EQ(last_step(state), 20U);
}

}  // namespace
}  // namespace pretrain::test
