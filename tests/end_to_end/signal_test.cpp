// SPDX-License-Identifier: Apache-2.0
// Requests to stop, whatever the program is doing: the step is finished and saved, the exit code is 0. How
// long a stop takes is not measured; what would wait for ever is not waited for.

#include <array>
#include <csignal>
#include <map>
#include <regex>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "libs/base/rng.h"
#include "libs/base/stop.h"
#include "libs/checkpoint/start_point.h"
#include "tests/end_to_end/run.h"
#include "tests/support/sanitizers.h"

namespace pretrain::test {
namespace {

constexpr std::chrono::seconds kPatience{300};

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

/// A corpus that keeps each part of the start busy for a while.
class ManyFiles {
 public:
  ManyFiles() {
    constexpr int kFiles = 1500;
    Rng rng(1);
    for (int i = 0; i < kFiles; ++i) {
      std::string text;
      while (text.size() < 400)
        text += fmt::format("w{}{}", rng.below(5000), rng.below(9) == 0 ? ".\n" : " ");
      folder_.write("text-" + std::to_string(i) + ".txt", text);
    }
  }
  std::string path() const { return folder_.path().string(); }

 private:
  TempFolder folder_;
};

TEST(Signals, InEachPartOfTheStartLeaveNothingOrARunThatGoesOn) {
  const ManyFiles corpus;
  const Words parts{"",
                    "corpus:",
                    "training a vocabulary",
                    "vocabulary: unigram",
                    "model:",
                    "memory:",
                    "evaluation set",
                    "machine:",
                    "validation at step 0"};
  for (size_t i = 0; i < parts.size(); ++i) {
    const TempFolder folder;
    const Words words =
        tiny_run(folder / "run") +
        Words{"--corpus", corpus.path(), "--tokenizer-type", "unigram", "--vocab", "1000", "--queue", "64"};
    Program program(binary(), words);
    ASSERT_TRUE(program.wait_until(
        [&] { return parts[i].empty() ? program.catches(SIGTERM) : has_said(program, parts[i]); }, kPatience))
        << parts[i] << program.output();
    program.signal(i % 2 == 0 ? SIGTERM : SIGHUP);
    ASSERT_TRUE(program.ends_within(kPatience)) << parts[i];
    const auto result = program.wait();
    EXPECT_EQ(result.exit_code, 0) << parts[i] << result.output;
    EXPECT_NE(result.output.find("stopping: "), std::string::npos) << parts[i] << result.output;
    const uint64_t steps = last_step(folder / "run") + 3;
    EXPECT_EQ(newest_checkpoint(folder / "run"), last_step(folder / "run")) << parts[i];
    const auto resumed = run_program(binary(), words + Words{"--steps", std::to_string(steps)});
    EXPECT_EQ(resumed.exit_code, 0) << parts[i] << resumed.output;
    EXPECT_EQ(last_step(folder / "run"), steps) << parts[i];
  }
}

TEST(Signals, EndCommandsThatWaitOrWorkForLong) {
  const TempFolder folder;
  ASSERT_EQ(run_program(binary(), tiny_run(folder / "run") + Words{"--steps", "5"}).exit_code, 0);
  const std::string state = (folder / "run").string();
  const std::string model = list_checkpoints(folder / "run").front().folder.string();
  const ManyFiles corpus;
  const std::vector<Words> commands{
      {"tokenizer", "encode", "--model", model},
      {"tokenizer", "decode", "--model", model},
      {"tokenizer", "train", "--corpus", corpus.path(), "--output", (folder / "new.model").string()},
      {"generate", "--checkpoint", state, "--tokens", "100000000"},
      {"eval", "--checkpoint", state, "--corpus", corpus.path()},
      {"inspect", corpus.path()},
      {"bench", "--model", "tiny", "--steps", "100000"}};
  std::array<int, 2> silent{};  // standard input that never ends
  ASSERT_EQ(pipe(silent.data()), 0);
  for (const Words& words : commands) {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
      std::filesystem::remove(folder / "new.model");
      Program program(binary(), words,
                      {.environment = {}, .before_exec = [&] { return dup2(silent[0], STDIN_FILENO) >= 0; }});
      ASSERT_TRUE(program.wait_until([&] { return program.catches(signal); }, kPatience)) << words[0];
      program.signal(signal);
      ASSERT_TRUE(program.ends_within(kPatience)) << words[0] << " " << words[1];
      EXPECT_EQ(program.wait().exit_code, 0) << words[0] << " " << words[1];
    }
  }
  for (const int end : silent) close(end);
}

/// Their only end is a stop, so there is nothing to finish and nothing to say.
TEST(Signals, EndCommandsThatHaveNoOtherEndWithoutAWord) {
  const TempFolder folder;
  ASSERT_EQ(run_program(binary(), tiny_run(folder / "run") + Words{"--steps", "5"}).exit_code, 0);
  const std::string state = (folder / "run").string();
  const std::vector<Words> commands{{"status", "--watch", state},
                                    {"dashboard", state, "--listen", "127.0.0.1:0"},
                                    {"serve", state, "--listen", "127.0.0.1:0"}};
  for (const Words& words : commands) {
    Program program(binary(), words, {});
    ASSERT_TRUE(program.wait_until([&] { return !program.output().empty(); }, kPatience)) << words[0];
    ASSERT_TRUE(program.wait_until([&] { return program.catches(SIGINT); }, kPatience)) << words[0];
    program.signal(SIGINT);
    ASSERT_TRUE(program.ends_within(kPatience)) << words[0];
    const ProgramResult ended = program.wait();
    EXPECT_EQ(ended.exit_code, 0) << words[0];
    EXPECT_EQ(ended.output.find("stopping"), std::string::npos) << words[0] << ended.output;
  }
}

/// The first batches never come: the files they would be made of can't be read just then.
TEST(Signals, EndAStartThatWaitsForADiskThatHangs) {
#ifdef PRETRAIN_SANITIZED
  GTEST_SKIP() << "a sanitizer's runtime must come before the library that makes calls hang";
#endif
  for (const char* part : {"", "machine:"}) {
    const TempFolder folder;
    const std::string trigger = (folder / "stall").string();
    const auto stall = [&] { folder.write("stall", "pread sample-corpus"); };
    if (std::string(part).empty()) stall();
    Program program(binary(), tiny_run(folder / "run") + Words{"--queue", "100000"},
                    {.environment = {{"LD_PRELOAD", PRETRAIN_STALL_LIBRARY}, {"PRETRAIN_STALL", trigger}}});
    ASSERT_TRUE(program.wait_until(
        [&] { return *part == '\0' ? program.catches(SIGTERM) : has_said(program, part); }, kPatience));
    if (*part != '\0') stall();
    program.signal(SIGTERM);
    ASSERT_TRUE(program.ends_within(kPatience)) << part;
    EXPECT_EQ(program.wait().exit_code, 0) << part;
  }
}

/// The batches that a step waits for never come, and the loader can't be ended; what was trained is saved.
TEST(Signals, SaveARunWhoseLoaderHangs) {
#ifdef PRETRAIN_SANITIZED
  GTEST_SKIP() << "a sanitizer's runtime must come before the library that makes calls hang";
#endif
  const TempFolder folder;
  const auto state = folder / "run";
  Program program(binary(), tiny_run(state),
                  {.environment = {{"LD_PRELOAD", PRETRAIN_STALL_LIBRARY},
                                   {"PRETRAIN_STALL", (folder / "stall").string()}}});
  ASSERT_TRUE(program.wait_until([&] { return is_under_way(state, 10); }, kPatience));
  folder.write("stall", "pread sample-corpus");
  uint64_t seen = 0;
  ASSERT_TRUE(program.wait_until([&] { return last_step(state) == std::exchange(seen, last_step(state)); },
                                 kPatience));
  program.signal(SIGTERM);
  ASSERT_TRUE(program.ends_within(kPatience)) << program.output();
  EXPECT_EQ(program.wait().exit_code, 0) << program.output();
  EXPECT_EQ(newest_checkpoint(state), last_step(state));
  const std::string more = std::to_string(last_step(state) + 5);
  EXPECT_EQ(run_program(binary(), tiny_run(state) + Words{"--steps", more}).exit_code, 0);
}

TEST(Signals, OfEachKindThatAsksToStopSaveAndSaySo) {
  const std::map<int, std::string> answers{{SIGTERM, " (a second signal exits without saving)"},
                                           {SIGINT, " (Ctrl-C again exits without saving)"},
                                           {SIGQUIT, " (Ctrl-\\ again exits without saving)"},
                                           {SIGHUP, ""},
                                           {SIGXCPU, ""},
                                           {SIGALRM, ""},
                                           {SIGPWR, ""},
                                           {SIGRTMIN, ""}};
  for (const auto& [signal, cost] : answers) {
    const TempFolder folder;
    Program program(binary(), tiny_run(folder / "run") + Words{"--evaluate-every", "0"});
    ASSERT_TRUE(program.wait_until([&] { return is_under_way(folder / "run", 10); }, kPatience));
    program.signal(signal);
    const auto result = program.wait();
    EXPECT_EQ(result.exit_code, 0) << signal << result.output;
    EXPECT_EQ(newest_checkpoint(folder / "run"), last_step(folder / "run")) << signal;
    EXPECT_TRUE(std::regex_search(
        result.output, std::regex(fmt::format("stopping: finishing step [0-9,]+, then saving{}\n",
                                              std::regex_replace(cost, std::regex("[()\\\\]"), "\\$&")))))
        << signal << result.output;
  }
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
    // From the first line on: before it, the program does not handle the signal.
    ASSERT_TRUE(program.wait_until([&] { return !program.output().empty(); }, kPatience));
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(rng.below(kLongestMilliseconds));
    program.wait_until([&] { return std::chrono::steady_clock::now() >= end; }, kPatience);
    // On a busy machine none of these times may be long enough for a step: every fourth run makes some.
    const uint64_t begun = last_step(state);
    if (i % 4 == 3) {
      ASSERT_TRUE(program.wait_until([&] { return last_step(state) >= begun + 3; }, kPatience));
    }
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
    if (code == 130) {
      EXPECT_TRUE(has_said(program, "; the last checkpoint is step ")) << program.output();
    }
    EXPECT_TRUE(find_newest_verified(state).has_value());
  }
  const auto resumed = run_program(binary(), busy_run(state) + Words{"--steps", "60"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
}

}  // namespace
}  // namespace pretrain::test
