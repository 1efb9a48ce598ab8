// However often it is killed, a run ends as the one that was not.

#include <gtest/gtest.h>

#include "tests/kills/kill_campaign.h"

namespace pretrain::test {
namespace {

/// Kills of a campaign: PRETRAIN_KILLS, else few enough for every build.
uint64_t kills_wanted() {
  const char* text = std::getenv("PRETRAIN_KILLS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 10;
}

uint64_t seed_wanted() {
  const char* text = std::getenv("PRETRAIN_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
}

/// Everything in the numbers of a checkpoint but times and the place in the log.
nlohmann::json numbers(const std::filesystem::path& state, uint64_t step) {
  auto json =
      nlohmann::json::parse(read_file(checkpoints_folder(state) / checkpoint_name(step) / "state.json"));
  json.erase("trained_seconds");
  json.erase("log");
  return json;
}

void expect_same_steps(const std::filesystem::path& killed, const std::filesystem::path& straight) {
  const auto a = steps(killed);
  const auto b = steps(straight);
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    for (const char* key : {"step", "tokens", "epoch", "loss", "grad_norm", "batch_hash"})
      ASSERT_EQ(a[i][key], b[i][key]) << key << " of step " << i + 1;
  }
}

TEST(Kills, ARunEndsAsTheOneThatWasNotKilled) {
  const uint64_t wanted = kills_wanted();
  const uint64_t seed = seed_wanted();
  const TempFolder folder;
  KillCampaign campaign(folder / "killed", seed);
  uint64_t inside_saves = 0;
  uint64_t most_lost = 0;
  uint64_t reached = 0;
  uint64_t before_first_checkpoint = 0;
  for (uint64_t i = 0; i < wanted; ++i) {
    const Kill kill = campaign.kill_once();
    EXPECT_LE(kill.lost_steps(), kill.allowed_loss()) << "kill " << i << ", seed " << seed;
    // Saves begin when they are due: a late one would be of a later step.
    EXPECT_EQ(kill.checkpoint % kStepsBetweenCheckpoints, 0U) << "kill " << i << ", seed " << seed;
    EXPECT_EQ(kill.begun_checkpoint % kStepsBetweenCheckpoints, 0U) << "kill " << i << ", seed " << seed;
    inside_saves += kill.inside_save;
    most_lost = std::max(most_lost, kill.lost_steps());
    before_first_checkpoint += kill.checkpoint == 0;
    reached = std::max(reached, kill.last_step);
  }
  const uint64_t end = reached + 25;
  const auto finished = campaign.finish(end);
  ASSERT_EQ(finished.exit_code, 0) << finished.output;
  ASSERT_EQ(KillCampaign::straight(folder / "straight", end).exit_code, 0);
  fmt::print(
      "{} kills (seed {}), {} of them inside a save, {} before step {}; at most {} steps lost; {} steps\n",
      wanted, seed, inside_saves, before_first_checkpoint, kStepsBetweenCheckpoints, most_lost, end);
  EXPECT_GE(10 * inside_saves, 3 * wanted);
  EXPECT_EQ(state_hashes(folder / "killed", end), state_hashes(folder / "straight", end));
  EXPECT_EQ(numbers(folder / "killed", end), numbers(folder / "straight", end));
  expect_same_steps(folder / "killed", folder / "straight");
}

}  // namespace
}  // namespace pretrain::test
