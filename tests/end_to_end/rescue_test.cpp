// SPDX-License-Identifier: Apache-2.0
// A run that no step works for any more: what it leaves, and that the commands it names lead on.

#include <regex>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

using testing::HasSubstr;

/// Parameters overflow within a few steps.
Words diverging_run(const std::filesystem::path& state) {
  return tiny_run(state) + Words{"--learning-rate", "10", "--warmup", "0",   "--weight-decay",     "10",
                                 "--grad-clip",     "0",  "--steps",  "300", "--checkpoint-every", "2"};
}

std::vector<uint64_t> checkpoint_steps(const std::filesystem::path& state) {
  std::vector<uint64_t> all;
  for (const CheckpointEntry& entry : list_checkpoints(state)) all.push_back(entry.step);
  return all;
}

/// The words of the command that follows `pretrain` and begins so. No word has a blank in these tests.
Words command_in(const std::string& output, const std::string& begin) {
  const size_t at = output.rfind("pretrain " + begin);
  if (at == std::string::npos) return {};
  std::istringstream text(output.substr(at, output.find_first_of(";\n", at) - at));
  Words words;
  for (std::string word; text >> word;) words.push_back(word);
  words.erase(words.begin());
  return words;
}

TEST(Rescue, ARunThatDivergedKeepsItsCheckpointsHoweverOftenItIsStarted) {
  const TempFolder folder;
  const auto state = folder / "run";
  const auto first = run_program(binary(), diverging_run(state));
  EXPECT_EQ(first.exit_code, 3) << first.output;
  EXPECT_THAT(first.output, HasSubstr("training stopped"));
  const auto before = checkpoint_steps(state);
  ASSERT_GE(before.size(), 2U);
  for (int start = 0; start < 4; ++start) {
    const auto again = run_program(binary(), {"resume", "--state", state.string()});
    EXPECT_EQ(again.exit_code, 3) << again.output;
    EXPECT_EQ(checkpoint_steps(state), before);
  }
}

TEST(Rescue, ALimitBetweenBadStepsIsToldAndAResumeDoesNotReturnIntoThem) {
  const TempFolder folder;
  const auto probe = folder / "probe";
  const auto whole = run_program(binary(), diverging_run(probe));
  std::smatch found;
  ASSERT_TRUE(std::regex_search(whole.output, found, std::regex("\\(steps ([0-9]+) to"))) << whole.output;
  const uint64_t first_bad = std::stoull(found[1]);
  const auto state = folder / "run";
  const auto limited =
      run_program(binary(), diverging_run(state) + Words{"--steps", std::to_string(first_bad + 2)});
  EXPECT_EQ(limited.exit_code, 0) << limited.output;
  EXPECT_THAT(limited.output, HasSubstr("were not finite"));
  EXPECT_EQ(checkpoint_steps(state).front(), first_bad - 1);
  const auto resumed = run_program(binary(), {"resume", "--state", state.string(), "--steps", "300"});
  EXPECT_EQ(resumed.exit_code, 3);
  EXPECT_THAT(resumed.output, HasSubstr("to the checkpoint of step " + std::to_string(first_bad - 1)));
}

TEST(Rescue, TheCommandThatSkipsBatchesWorksAsPrinted) {
  const TempFolder folder;
  const auto state = folder / "run";
  const auto first = run_program(binary(), diverging_run(state));
  const Words command = command_in(first.output, "resume");
  ASSERT_EQ(command.size(), 5U) << first.output;
  EXPECT_EQ(command[3], "--skip-steps");
  const auto skipping = run_program(binary(), command);
  EXPECT_THAT(skipping.output, HasSubstr("will skip the batches of steps " + command[4]));
  uint64_t skipped = 0;
  for (const auto& record : records(state)) skipped += record.value("skipped_on_request", false) ? 1 : 0;
  EXPECT_GT(skipped, 0U) << skipping.output;
}

TEST(Rescue, SkippedStepsAreSkippedAgainAfterAKillAndAResume) {
  const TempFolder folder;
  const auto straight = folder / "straight";
  const auto killed = folder / "killed";
  for (const auto& state : {straight, killed}) {
    ASSERT_EQ(run_program(binary(), tiny_run(state) + Words{"--steps", "20"}).exit_code, 0);
  }
  const Words resume_straight{"resume", "--state", straight.string(), "--skip-steps", "25-30,33"};
  ASSERT_EQ(run_program(binary(), resume_straight + Words{"--steps", "40"}).exit_code, 0);
  Program program(binary(),
                  {"resume", "--state", killed.string(), "--skip-steps", "33,25-30", "--steps", "40000"});
  ASSERT_TRUE(program.wait_until([&] { return last_step(killed) > 20; }, std::chrono::seconds(120)));
  program.signal(SIGKILL);
  program.wait();
  ASSERT_EQ(checkpoint_steps(killed).front(), 20U) << "nothing was saved before the kill";
  ASSERT_EQ(run_program(binary(), {"resume", "--state", killed.string(), "--steps", "40"}).exit_code, 0);
  EXPECT_EQ(state_hashes(killed, 40), state_hashes(straight, 40));
}

TEST(Rescue, StepsToSkipThatAreNoneOrAreTrainedAlreadyAreRefused) {
  const TempFolder folder;
  const auto state = folder / "run";
  ASSERT_EQ(run_program(binary(), tiny_run(state) + Words{"--steps", "20"}).exit_code, 0);
  for (const char* text : {"", "x", "5-4", "0-3", "25-", "25..30", "18446744073709551616"}) {
    const auto run = run_program(binary(), {"resume", "--state", state.string(), "--skip-steps", text});
    EXPECT_EQ(run.exit_code, 2) << text << run.output;
    EXPECT_THAT(run.output, HasSubstr("--skip-steps")) << text;
  }
  for (const char* text : {"20", "18-22", "30-40,3"}) {
    const auto run = run_program(binary(), {"resume", "--state", state.string(), "--skip-steps", text});
    EXPECT_EQ(run.exit_code, 2) << run.output;
    EXPECT_THAT(run.output, HasSubstr("is already trained")) << text;
  }
  EXPECT_EQ(run_program(binary(), {"train", "--state", state.string(), "--skip-steps", "30"}).exit_code, 2);
}

TEST(Rescue, LostRecordsAreToldOnceAndInTheSummary) {
  const auto expect = [](const Words& lost, const std::string& summary) {
    const TempFolder folder;
    const auto state = folder / "run";
    for (const std::string& log : lost) std::filesystem::create_directories(state / log);
    const auto run = run_program(binary(), tiny_run(state) + Words{"--steps", "40"});
    EXPECT_EQ(run.exit_code, 0) << run.output;
    for (const std::string& log : lost) {
      const std::regex told("warning: [^\n]*" + log +
                            ": [^\n]*; [^;\n]+; training continues, its records are lost");
      EXPECT_EQ(std::distance(std::sregex_iterator(run.output.begin(), run.output.end(), told),
                              std::sregex_iterator()),
                1)
          << run.output;
    }
    EXPECT_THAT(run.output, testing::ContainsRegex(summary));
  };
  expect({"metrics.jsonl"}, "metrics.jsonl lacks [0-9]+ records");
  expect({"metrics.jsonl", "events.jsonl"},
         "metrics.jsonl lacks [0-9]+ records[^\n]*\n[^\n]*events.jsonl lacks [0-9]+ record");
}

}  // namespace
}  // namespace pretrain::test
