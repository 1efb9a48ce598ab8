// SPDX-License-Identifier: Apache-2.0
// However often and however it ends, a run comes to the same bits as the one that never did.

#include <gtest/gtest.h>

#include "tests/kills/kill_campaign.h"
#include "tests/kills/poisoned_start.h"

namespace pretrain::test {
namespace {

/// Sessions of a campaign: PRETRAIN_KILLS, else few enough for every build.
uint64_t kills_wanted() {
  const char* text = std::getenv("PRETRAIN_KILLS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 10;
}

uint64_t seed_wanted() {
  const char* text = std::getenv("PRETRAIN_TEST_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
}

/// Everything in the numbers of a checkpoint but times, the place in the log, and the bad steps that a return
/// to the newest checkpoint would meet again: which one that is depends on the sessions.
nlohmann::json numbers(const std::filesystem::path& state, uint64_t step) {
  auto json =
      nlohmann::json::parse(read_file(checkpoints_folder(state) / checkpoint_name(step) / "state.json"));
  for (const char* time : {"trained_seconds", "spent_seconds", "start_seconds"}) json.erase(time);
  json.erase("log");
  json["guard"].erase("recorded");
  return json;
}

/// From the first step that the killed run's log has: a branch begins a log of its own.
void expect_same_steps(const std::filesystem::path& killed, const std::filesystem::path& straight) {
  const auto a = steps(killed);
  const auto b = steps(straight);
  ASSERT_FALSE(a.empty());
  ASSERT_LE(a.size(), b.size());
  const size_t skipped = b.size() - a.size();
  for (size_t i = 0; i < a.size(); ++i) {
    for (const char* key : {"step", "tokens", "epoch", "loss", "grad_norm", "applied", "batch_hash"})
      ASSERT_EQ(a[i][key], b[skipped + i][key]) << key << " of step " << a[i]["step"];
  }
}

void expect_same_end(const std::filesystem::path& killed, const std::filesystem::path& straight,
                     uint64_t end) {
  EXPECT_EQ(state_hashes(killed, end), state_hashes(straight, end));
  EXPECT_EQ(numbers(killed, end), numbers(straight, end));
  expect_same_steps(killed, straight);
}

/// A run that passes several epochs.
Words plain_run() {
  return tiny_run("") +
         Words{"--checkpoint-every", std::to_string(kStepsBetweenCheckpoints), "--batch", "16"};
}

TEST(Kills, ARunEndsAsTheOneThatWasNotKilled) {
  const uint64_t wanted = kills_wanted();
  const uint64_t seed = seed_wanted();
  const TempFolder folder;
  KillCampaign campaign(folder / "killed", plain_run(), seed);
  uint64_t kills = 0;
  uint64_t inside_saves = 0;
  uint64_t most_lost = 0;
  uint64_t reached = 0;
  uint64_t before_first_checkpoint = 0;
  // On a busy machine fewer hit a save: then more are made.
  for (; kills < wanted || (10 * inside_saves < 3 * wanted && kills < 20 * wanted); ++kills) {
    const Kill kill = campaign.end_once(kills % 2 == 0 ? Ending::kKill : Ending::kKillInSave);
    EXPECT_LE(kill.lost_steps(), kill.allowed_loss()) << "kill " << kills << ", seed " << seed;
    // Saves begin when they are due: a late one would be of a later step.
    EXPECT_EQ(kill.checkpoint % kStepsBetweenCheckpoints, 0U) << "kill " << kills << ", seed " << seed;
    EXPECT_EQ(kill.begun_checkpoint % kStepsBetweenCheckpoints, 0U) << "kill " << kills << ", seed " << seed;
    inside_saves += kill.inside_save;
    most_lost = std::max(most_lost, kill.lost_steps());
    before_first_checkpoint += kill.checkpoint == 0;
    reached = std::max(reached, kill.last_step);
  }
  const uint64_t end = reached + 25;
  const auto finished = campaign.finish(end);
  ASSERT_EQ(finished.exit_code, 0) << finished.output;
  ASSERT_EQ(KillCampaign::straight(folder / "straight", plain_run(), end).exit_code, 0);
  fmt::print(
      "{} kills (seed {}), {} of them inside a save, {} before step {}; at most {} steps lost; {} steps\n",
      kills, seed, inside_saves, before_first_checkpoint, kStepsBetweenCheckpoints, most_lost, end);
  EXPECT_GE(10 * inside_saves, 3 * wanted);
  expect_same_end(folder / "killed", folder / "straight", end);
}

/// Batches come in the order of the text, and nothing is held out.
Words poisoned_run(const std::filesystem::path& corpus) {
  return plain_run() + Words{"--corpus",
                             corpus.string(),
                             "--shuffle-buffer",
                             "1",
                             "--queue",
                             "4",
                             "--validation-fraction",
                             "0",
                             "--evaluate-every",
                             "0",
                             "--steps",
                             "0"};
}

/// The state folder of a poisoned run that has a checkpoint of step 0 and nothing after it.
void make_poisoned_start(const std::filesystem::path& state, const Words& run) {
  const auto first = run_program(binary(), run + Words{"--state", state.string(), "--steps", "1"});
  ASSERT_EQ(first.exit_code, 0) << first.output;
  std::filesystem::remove_all(checkpoints_folder(state) / checkpoint_name(1));
  poison_first_checkpoint(state);
}

/// Times that the run went back to a checkpoint because of non-finite steps, as its log tells.
uint64_t returns(const std::filesystem::path& state) {
  const auto all = records(state);
  return static_cast<uint64_t>(
      std::ranges::count_if(all, [](const auto& record) { return record.contains("returned_from"); }));
}

/// What holds after a session, by the way it ended.
void expect_ended_well(const Kill& kill) {
  switch (kill.ending) {
    case Ending::kTerminate:
    case Ending::kHangUp:
      EXPECT_EQ(kill.exit_code, 0) << kill.output;
      // A branch that stopped before its first step, or went back to where it began, has no step in its record.
      if (kill.last_step > 0 && kill.last_applied) {
        EXPECT_EQ(kill.checkpoint, kill.last_step) << kill.output;
      }
      break;
    case Ending::kFileLimit:  // its last save failed, unless there was nothing to save yet
      EXPECT_TRUE(kill.exit_code == 1 || kill.exit_code == 0) << kill.exit_code << "\n" << kill.output;
      break;
    case Ending::kKill:
    case Ending::kKillInSave:
    case Ending::kReaderGone:
      EXPECT_EQ(kill.exit_code, 128 + SIGKILL) << "it ended before it was killed\n" << kill.output;
  }
}

constexpr Ending kEndings[] = {Ending::kKill,   Ending::kKillInSave, Ending::kTerminate,
                               Ending::kHangUp, Ending::kReaderGone, Ending::kFileLimit};

/// Ends a poisoned run so many times, in each way as often, and compares it with one that was not ended.
void expect_the_same_bits_after(uint64_t sessions, const Words& more) {
  const uint64_t seed = seed_wanted();
  const TempFolder folder;
  write_poisoned_corpus(folder / "corpus");
  const Words run = poisoned_run(folder / "corpus") + more;
  ASSERT_NO_FATAL_FAILURE(make_poisoned_start(folder / "run-0", run));
  std::filesystem::copy(folder / "run-0", folder / "straight", std::filesystem::copy_options::recursive);
  KillCampaign campaign(folder / "run-0", run, seed);
  uint64_t branches = 0;
  uint64_t returned = 0;
  uint64_t reached = 0;
  for (uint64_t i = 0; i < sessions; ++i) {
    const Kill kill = campaign.end_once(kEndings[i % std::size(kEndings)]);
    SCOPED_TRACE(testing::Message() << "session " << i << ", " << name_of(kill.ending) << ", seed " << seed);
    expect_ended_well(kill);
    reached = std::max(reached, kill.last_step);
    if (i % std::size(kEndings) == 4) {
      returned += returns(campaign.state());
      const auto branch = campaign.branch_to(folder / ("run-" + std::to_string(++branches)));
      ASSERT_EQ(branch.exit_code, 0) << branch.output;
    }
  }
  // The end of an epoch: after the poisoned batches of one, and in the middle of none, where a limit would have the step
  // before them saved.
  const uint64_t end = (reached / kPoisonedEpoch + 1) * kPoisonedEpoch;
  const auto finished = campaign.finish(end);
  ASSERT_EQ(finished.exit_code, 0) << finished.output;
  ASSERT_EQ(KillCampaign::straight(folder / "straight", run, end).exit_code, 0);
  returned += returns(campaign.state());
  fmt::print("{} sessions (seed {}), {} branches, {} rollbacks; {} steps\n", sessions, seed, branches,
             returned, end);
  EXPECT_GE(returns(folder / "straight"), 1U);
  expect_same_end(campaign.state(), folder / "straight", end);
}

TEST(Kills, EveryWayToEndAndARollbackAndABranchComeToTheSameBits) {
  expect_the_same_bits_after(std::max<uint64_t>(std::size(kEndings) * 2, kills_wanted()), {});
}

/// Its momentum rises with the updates, and its rate falls with the steps: both must survive.
TEST(Kills, ARunWithMuonComesToTheSameBits) {
  expect_the_same_bits_after(std::max<uint64_t>(std::size(kEndings), kills_wanted() / 2),
                             {"--optimizer", "muon", "--muon-warmup", "60", "--muon-neuron-decay", "0.9",
                              "--cautious-decay", "yes", "--slots", "3"});
}

}  // namespace
}  // namespace pretrain::test
