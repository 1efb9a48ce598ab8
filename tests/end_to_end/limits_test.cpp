// SPDX-License-Identifier: Apache-2.0
// Limits of a run: named when they are reached, and raised at any time.

#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

using testing::HasSubstr;
using testing::Not;

Words resume(const std::filesystem::path& state) {
  return {"resume", "--state", state.string()};
}

/// Runs and expects success.
std::string output_of(const Words& words) {
  const auto run = run_program(binary(), words);
  EXPECT_EQ(run.exit_code, 0) << run.output;
  return run.output;
}

TEST(Limits, AReachedLimitIsNamedWithTheWayOn) {
  const TempFolder folder;
  const auto state = folder / "run";
  EXPECT_THAT(output_of(tiny_run(state) + Words{"--steps", "20"}),
              HasSubstr("limit reached (--steps 20) at step 20"));
  const std::string again = output_of(resume(state));
  EXPECT_THAT(again, HasSubstr("nothing to do: --steps 20 is reached; add --steps 40 (0: no limit)"));
  EXPECT_THAT(again, Not(HasSubstr("0 steps")));
  EXPECT_THAT(output_of(resume(state) + Words{"--steps", "40"}), HasSubstr("at step 40: 20 steps"));
}

TEST(Limits, AnEndWithinTheFirstDocumentHasReadAPartOfIt) {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 4000; ++i) text += fmt::format("Town {} lies {} miles from the sea.\n", i, i * i);
  folder.write("towns.txt", text);
  Words words = tiny_run(folder / "run") + Words{"--steps", "3", "--documents", "files"};
  *(std::ranges::find(words, "--corpus") + 1) = (folder / "towns.txt").string();
  EXPECT_THAT(output_of(words), HasSubstr("documents read: a part of one"));
}

TEST(Limits, TokensAreNamedWhenTheyAreTheReason) {
  const TempFolder folder;
  const auto state = folder / "run";
  EXPECT_THAT(output_of(tiny_run(state) + Words{"--tokens", "2000"}),
              HasSubstr("limit reached (--tokens 2000)"));
  EXPECT_THAT(output_of(resume(state) + Words{"--steps", "100"}),
              HasSubstr("nothing to do: --tokens 2000 is reached; add --tokens 4096 (0"));
  EXPECT_THAT(
      output_of(resume(state) + Words{"--steps", "4"}),
      HasSubstr("nothing to do: --steps 4 and --tokens 2000 are reached; add --steps 16 --tokens 4096"));
  EXPECT_THAT(output_of(resume(state) + Words{"--steps", "100", "--tokens", "0"}), HasSubstr("at step 100"));
}

TEST(Limits, EpochsAreRaisedAfterTheLastOneWasTrained) {
  const TempFolder folder;
  const auto state = folder / "run";
  output_of(tiny_run(state) + Words{"--epochs", "1"});
  const uint64_t epoch = last_step(state);
  ASSERT_GT(epoch, 300U);
  EXPECT_THAT(output_of(resume(state)),
              HasSubstr("nothing to do: --epochs 1 is reached; add --epochs 2 (0: no limit)"));
  const std::string second = output_of(resume(state) + Words{"--epochs", "2"});
  EXPECT_THAT(second, HasSubstr("epoch 1 had been read to its end"));
  EXPECT_NEAR(static_cast<double>(last_step(state)), 2.0 * static_cast<double>(epoch), 1);
  EXPECT_EQ(steps(state).back()["epoch"], 1);
  const uint64_t both = last_step(state);
  output_of(resume(state) + Words{"--epochs", "0", "--steps", std::to_string(both + 30)});
  EXPECT_EQ(last_step(state), both + 30);
}

TEST(Limits, EpochsAreRaisedWhileTheLastOneIsReadAhead) {
  const TempFolder folder;
  const auto once = folder / "once";
  output_of(tiny_run(once) + Words{"--epochs", "1"});
  const uint64_t epoch = last_step(once);
  for (const uint64_t stop : {epoch / 8, epoch / 2, epoch - 3}) {
    const auto state = folder / std::to_string(stop);
    output_of(tiny_run(state) + Words{"--epochs", "1", "--steps", std::to_string(stop)});
    output_of(resume(state) + Words{"--epochs", "3", "--steps", "0"});
    EXPECT_NEAR(static_cast<double>(last_step(state)), 3.0 * static_cast<double>(epoch), 2) << stop;
  }
}

/// The batches after a raise are the same however often the run is stopped.
TEST(Limits, ARaisedRunIsTheSameAfterStops) {
  const TempFolder folder;
  const auto straight = folder / "straight";
  const auto stopped = folder / "stopped";
  for (const auto& state : {straight, stopped}) output_of(tiny_run(state) + Words{"--epochs", "1"});
  const uint64_t end = last_step(straight) + 120;
  output_of(resume(straight) + Words{"--epochs", "2", "--steps", std::to_string(end)});
  for (const uint64_t step : {end - 100, end - 40, end}) {
    output_of(resume(stopped) + Words{"--epochs", "2", "--steps", std::to_string(step)});
  }
  EXPECT_EQ(state_hashes(stopped, end), state_hashes(straight, end));
}

TEST(Limits, ACosineThatIsOutlastedIsToldAndCanBeStretched) {
  const TempFolder folder;
  const auto state = folder / "run";
  output_of(tiny_run(state) + Words{"--schedule", "cosine", "--warmup", "5", "--steps", "40"});
  const std::string floor = output_of(resume(state) + Words{"--steps", "60"});
  EXPECT_THAT(floor, HasSubstr("the cosine schedule ends at step 40"));
  EXPECT_THAT(floor, HasSubstr("--schedule-steps 60"));
  const double lowest = steps(state).back()["learning_rate"];
  const std::string stretched = output_of(resume(state) + Words{"--steps", "80", "--schedule-steps", "120"});
  EXPECT_THAT(stretched, HasSubstr("now ends at step 120"));
  EXPECT_THAT(stretched, HasSubstr("rises to"));
  EXPECT_THAT(stretched, HasSubstr("because it now falls until step 120"));
  EXPECT_GT(steps(state).back()["learning_rate"].get<double>(), 2 * lowest);
  EXPECT_THAT(output_of(resume(state) + Words{"--steps", "90"}), Not(HasSubstr("cosine schedule ends")));
}

/// While the rate is at its peak, the end of the run may move: it is the run of that length from the start.
TEST(Limits, AWsdThatIsStretchedBeforeItsCooldownIsTheRunOfThatLength) {
  const TempFolder folder;
  const auto long_one = folder / "long", stretched = folder / "stretched";
  const Words wsd{"--schedule", "wsd", "--warmup", "5", "--cooldown-share", "0.5"};
  output_of(tiny_run(long_one) + wsd + Words{"--steps", "60"});
  output_of(tiny_run(stretched) + wsd + Words{"--steps", "20", "--schedule-steps", "40"});
  const std::string output = output_of(resume(stretched) + Words{"--steps", "60", "--schedule-steps", "60"});
  EXPECT_THAT(output, HasSubstr("the wsd schedule now ends at step 60"));
  EXPECT_THAT(output, Not(HasSubstr("rises")));
  EXPECT_EQ(state_hashes(stretched, 60), state_hashes(long_one, 60));
  EXPECT_NEAR(steps(long_one).back()["learning_rate"].get<double>(), 3e-3 / 31, 1e-9);
}

TEST(Limits, AWsdThatIsStretchedWithinItsCooldownSaysThatTheRateRises) {
  const TempFolder folder;
  const auto state = folder / "run";
  const std::string first = output_of(tiny_run(state) + Words{"--schedule", "wsd", "--warmup", "5"} +
                                      Words{"--steps", "30", "--cooldown-share", "0.5"});
  EXPECT_THAT(first, HasSubstr("the rate falls to zero from 0.003 at step 15 on"));
  const std::string output = output_of(resume(state) + Words{"--steps", "80", "--schedule-steps", "80"});
  EXPECT_THAT(output, HasSubstr("rises to 0.003 again, because the cooldown now starts at step 40"));
  EXPECT_THAT(output, HasSubstr("up to step 15 with --from"));
}

TEST(Limits, TheLastEvaluationOfEachSessionStaysInTheRecord) {
  const TempFolder folder;
  const auto state = folder / "run";
  output_of(tiny_run(state) + Words{"--steps", "30", "--checkpoint-every", "10"});
  const std::string second = output_of(resume(state) + Words{"--steps", "40"});
  output_of(resume(state));
  std::vector<uint64_t> evaluations;
  for (const auto& record : records(state)) {
    if (record.contains("validation_loss")) evaluations.push_back(record["step"]);
  }
  EXPECT_EQ(evaluations, (std::vector<uint64_t>{0, 25, 30, 40})) << "and an early one";
  EXPECT_THAT(second, testing::ContainsRegex("validation loss: [0-9.]+ at step 0, [0-9.]+ at step 40"));
}

}  // namespace
}  // namespace pretrain::test
