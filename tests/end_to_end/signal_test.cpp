// SIGTERM and SIGINT, whatever the program is doing: the step is finished and saved, the exit code is 0.

#include <csignal>
#include <map>
#include <thread>

#include <gtest/gtest.h>

#include "libs/base/rng.h"
#include "libs/base/stop.h"
#include "tests/end_to_end/run.h"
#include "tests/support/sanitizers.h"

namespace pretrain::test {
namespace {

constexpr std::chrono::seconds kPatience{120};

bool has_said(const Program& program, const std::string& text) {
  return program.output().find(text) != std::string::npos;
}

uint64_t newest_checkpoint(const std::filesystem::path& state) {
  const auto entries = list_checkpoints(state);
  return entries.empty() ? 0 : entries.front().step;
}

/// Evaluates, samples and saves so often that each takes its share of the time.
Words busy_run(const std::filesystem::path& state) {
  return tiny_run(state) + Words{"--evaluate-every",      "3",  "--sample-every",     "4",
                                 "--sample-tokens",       "20", "--checkpoint-every", "2",
                                 "--validation-fraction", "0.1"};
}

TEST(Signals, DuringVocabularyTrainingLeaveNothingBehind) {
  for (const int signal : {SIGTERM, SIGINT}) {
    const TempFolder folder;
    Program program(binary(),
                    tiny_run(folder / "run") + Words{"--tokenizer-type", "unigram", "--vocab", "4000"});
    ASSERT_TRUE(program.wait_until([&] { return has_said(program, "training a vocabulary"); }, kPatience));
    program.signal(signal);
    const auto result = program.wait();
    EXPECT_EQ(result.exit_code, 0) << result.output;
    EXPECT_NE(result.output.find("stopped on request"), std::string::npos) << result.output;
    EXPECT_TRUE(list_checkpoints(folder / "run").empty());
  }
}

TEST(Signals, AtAnyInstantLoseNothing) {
  constexpr uint64_t kSignals = 16;
  constexpr uint64_t kLongestMilliseconds = kSanitized ? 10'000 : 1500;
  constexpr uint64_t kSeed = 11;
  Rng rng(kSeed);
  const TempFolder folder;
  const auto state = folder / "run";
  for (uint64_t i = 0; i < kSignals; ++i) {
    Program program(binary(), busy_run(state));
    // From the first line on: before it there is nobody to take the signal.
    ASSERT_TRUE(program.wait_until([&] { return !program.output().empty(); }, kPatience));
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(rng.below(kLongestMilliseconds));
    program.wait_until([&] { return std::chrono::steady_clock::now() >= end; }, kPatience);
    program.signal(i % 2 == 0 ? SIGTERM : SIGINT);
    const auto result = program.wait();
    ASSERT_EQ(result.exit_code, 0) << "signal " << i << ", seed " << kSeed << "\n" << result.output;
    ASSERT_EQ(newest_checkpoint(state), last_step(state)) << "signal " << i << ", seed " << kSeed;
  }
  EXPECT_GT(last_step(state), 10U);
  const uint64_t steps = last_step(state) + 2;
  const Words limit{"--steps", std::to_string(steps)};
  ASSERT_EQ(run_program(binary(), busy_run(state) + limit).exit_code, 0);
  ASSERT_EQ(run_program(binary(), busy_run(folder / "straight") + limit).exit_code, 0);
  EXPECT_EQ(state_hashes(state, steps), state_hashes(folder / "straight", steps));
}

TEST(Signals, ASecondOneLeavesAtOnceAndHarmsNothing) {
  const TempFolder folder;
  const auto state = folder / "run";
  for (int i = 0; i < 4; ++i) {
    Program program(binary(), busy_run(state));
    const uint64_t begun = newest_checkpoint(state);
    ASSERT_TRUE(program.wait_until([&] { return newest_checkpoint(state) >= begun + 4; }, kPatience));
    program.signal(SIGTERM);
    std::this_thread::sleep_for(std::chrono::milliseconds(i));
    program.signal(SIGSTOP);  // else it would be done before the second signal counts
    std::this_thread::sleep_for(StopSignal::kSameRequest + std::chrono::milliseconds(100));
    program.signal(SIGINT);
    program.signal(SIGCONT);
    const int code = program.wait().exit_code;
    EXPECT_TRUE(code == 130 || code == 0) << code;  // 0: it was done before
    EXPECT_TRUE(find_newest_verified(state).has_value());
  }
  const auto resumed = run_program(binary(), busy_run(state) + Words{"--steps", "60"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
}

}  // namespace
}  // namespace pretrain::test
