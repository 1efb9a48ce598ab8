// SPDX-License-Identifier: Apache-2.0
// A run that was stopped and resumed is, bit for bit, the run that was not.

#include <csignal>

#include <gtest/gtest.h>

#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

constexpr std::chrono::seconds kPatience{300};

/// Runs until a step is in the log, then asks it to stop.
ProgramResult run_and_stop(const Words& words, const std::filesystem::path& state, uint64_t at_step,
                           int signal) {
  Program program(binary(), words);
  EXPECT_TRUE(program.wait_until([&] { return last_step(state) >= at_step; }, kPatience))
      << program.wait().output;
  program.signal(signal);
  return program.wait();
}

void expect_same_steps(const std::vector<nlohmann::json>& a, const std::vector<nlohmann::json>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    for (const char* key : {"step", "tokens", "epoch", "loss", "grad_norm", "learning_rate", "batch_hash"}) {
      ASSERT_EQ(a[i][key], b[i][key]) << key << " of record " << i;
    }
  }
}

TEST(Resume, ThreeStopsAndResumesGiveTheSameBitsAsNone) {
  const TempFolder folder;
  const auto straight =
      run_program(binary(), tiny_run(folder / "straight") + Words{"--steps", "300", "--batch", "24"});
  ASSERT_EQ(straight.exit_code, 0) << straight.output;

  const auto state = folder / "stopped";
  const Words resume{"resume", "--state", state.string()};
  const auto first = run_and_stop(
      tiny_run(state) + Words{"--steps", "300", "--batch", "24", "--workers", "1"}, state, 40, SIGTERM);
  EXPECT_EQ(first.exit_code, 0) << first.output;
  const auto second = run_and_stop(resume + Words{"--workers", "4", "--threads", "2"}, state, 120, SIGINT);
  EXPECT_EQ(second.exit_code, 0) << second.output;
  const auto third = run_and_stop(resume + Words{"--workers", "8", "--threads", "3"}, state, 200, SIGTERM);
  EXPECT_EQ(third.exit_code, 0) << third.output;
  const auto last = run_program(binary(), resume + Words{"--workers", "3", "--threads", "1"});
  EXPECT_EQ(last.exit_code, 0) << last.output;

  EXPECT_EQ(state_hashes(state, 300), state_hashes(folder / "straight", 300));
  expect_same_steps(steps(state), steps(folder / "straight"));
  EXPECT_GT(steps(state).back()["epoch"].get<int>(), 0) << "the run must pass an epoch";
}

TEST(Resume, AfterAKillContinuesFromTheLastCheckpointWithTheSameBits) {
  const TempFolder folder;
  const Words every{"--steps", "120", "--checkpoint-every", "25"};
  ASSERT_EQ(run_program(binary(), tiny_run(folder / "straight") + every).exit_code, 0);
  const auto state = folder / "killed";
  const auto killed = run_and_stop(tiny_run(state) + every, state, 70, SIGKILL);
  EXPECT_EQ(killed.exit_code, 128 + SIGKILL);
  const auto resumed = run_program(binary(), {"resume", "--state", state.string(), "--workers", "4"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
  EXPECT_EQ(state_hashes(state, 120), state_hashes(folder / "straight", 120));
  expect_same_steps(steps(state), steps(folder / "straight"));
}

TEST(Resume, AMuonRunThatIsKilledIsTheSameForAnyNumberOfThreads) {
  const TempFolder folder;
  const Words muon{"--steps",    "60",  "--checkpoint-every", "15", "--optimizer",      "muon",
                   "--schedule", "wsd", "--muon-warmup",      "50", "--cooldown-share", "0.5"};
  ASSERT_EQ(run_program(binary(), tiny_run(folder / "straight") + muon).exit_code, 0);
  const auto state = folder / "killed";
  EXPECT_EQ(run_and_stop(tiny_run(state) + muon + Words{"--threads", "3"}, state, 35, SIGKILL).exit_code,
            128 + SIGKILL);
  const auto resumed = run_program(binary(), {"resume", "--state", state.string(), "--threads", "2"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
  EXPECT_EQ(state_hashes(state, 60), state_hashes(folder / "straight", 60));
  expect_same_steps(steps(state), steps(folder / "straight"));
}

TEST(Resume, ARunWhoseStepsGrowAndAreTreatedInEveryWayComesToTheSameBits) {
  const TempFolder folder;
  const Words keys{"--steps",           "40",    "--checkpoint-every",     "10",
                   "--optimizer",       "muon",  "--muon-neuron-decay",    "0.9",
                   "--cautious-decay",  "yes",   "--accumulate",           "3",
                   "--batch-ramp",      "30",    "--learning-rate-tokens", "1000",
                   "--beta2-half-life", "20000", "--output-start",         "zero"};
  ASSERT_EQ(run_program(binary(), tiny_run(folder / "straight") + keys).exit_code, 0);
  const auto state = folder / "stopped";
  EXPECT_EQ(run_program(binary(), tiny_run(state) + keys + Words{"--steps", "20"}).exit_code, 0);
  const auto resumed = run_program(binary(), {"resume", "--state", state.string(), "--steps", "40"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
  EXPECT_EQ(state_hashes(state, 40), state_hashes(folder / "straight", 40));
  expect_same_steps(steps(state), steps(folder / "straight"));
}

TEST(Resume, FromAnEarlierStepSetsTheLaterOnesAside) {
  const TempFolder folder;
  const auto state = folder / "run";
  ASSERT_EQ(
      run_program(binary(), tiny_run(state) + Words{"--steps", "30", "--checkpoint-every", "10"}).exit_code,
      0);
  const auto before = state_hashes(state, 30);
  const auto again = run_program(binary(), {"resume", "--state", state.string(), "--from", "20"});
  EXPECT_EQ(again.exit_code, 0) << again.output;
  EXPECT_TRUE(folder_exists(state / "abandoned" / "step-000000030"));
  EXPECT_EQ(state_hashes(state, 30), before);
}

TEST(Resume, RefusesAnotherModelAndAcceptsOtherLimits) {
  const TempFolder folder;
  const auto state = folder / "run";
  ASSERT_EQ(run_program(binary(), tiny_run(state) + Words{"--steps", "5"}).exit_code, 0);
  const auto other = run_program(binary(), tiny_run(state) + Words{"--d-ff", "128"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_NE(other.output.find("--d-ff 128 (the run has 256)"), std::string::npos) << other.output;
  const auto more = run_program(binary(), tiny_run(state) + Words{"--steps", "8"});
  EXPECT_EQ(more.exit_code, 0) << more.output;
  EXPECT_EQ(last_step(state), 8U);
}

TEST(Resume, PassesOverADamagedCheckpoint) {
  const TempFolder folder;
  const auto state = folder / "run";
  ASSERT_EQ(
      run_program(binary(), tiny_run(state) + Words{"--steps", "20", "--checkpoint-every", "10"}).exit_code,
      0);
  const auto newest = checkpoints_folder(state) / checkpoint_name(20) / "optimizer.safetensors";
  std::fstream(newest, std::ios::in | std::ios::out | std::ios::binary).seekp(5000).put('x');
  const auto resumed = run_program(binary(), {"resume", "--state", state.string(), "--steps", "22"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
  EXPECT_NE(resumed.output.find("checkpoint of step 20 is damaged"), std::string::npos) << resumed.output;
  EXPECT_NE(resumed.output.find("continuing from step 10"), std::string::npos) << resumed.output;
  EXPECT_EQ(last_step(state), 22U);
}

TEST(Resume, OneProcessOwnsAStateFolder) {
  const TempFolder folder;
  const auto state = folder / "run";
  Program first(binary(), tiny_run(state));
  ASSERT_TRUE(first.wait_until([&] { return is_under_way(state); }, kPatience));
  const auto second = run_program(binary(), {"resume", "--state", state.string()});
  EXPECT_EQ(second.exit_code, 1) << second.output;
  first.signal(SIGTERM);
  EXPECT_EQ(first.wait().exit_code, 0);
}

TEST(Resume, SignalUser1SavesNow) {
  const TempFolder folder;
  const auto state = folder / "run";
  Program program(binary(), tiny_run(state));
  ASSERT_TRUE(program.wait_until([&] { return is_under_way(state, 5); }, kPatience));
  program.signal(SIGUSR1);
  EXPECT_TRUE(program.wait_until([&] { return list_checkpoints(state).size() >= 2; }, kPatience));
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait().exit_code, 0);
}

}  // namespace
}  // namespace pretrain::test
