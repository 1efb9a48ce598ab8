// SPDX-License-Identifier: Apache-2.0
// A branch is a new run that starts where another one was, and leaves that one alone.

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/checkpoint/safetensors.h"
#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

namespace fs = std::filesystem;

/// Every file below a folder with its size and time of change.
std::map<std::string, std::string> contents_of(const fs::path& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    contents[entry.path().lexically_relative(folder)] =
        fmt::format("{} {}", entry.file_size(), entry.last_write_time().time_since_epoch().count());
  }
  return contents;
}

/// A parent of 40 steps with checkpoints of steps 0, 20 and 40.
class Branch : public testing::Test {
 protected:
  Branch() {
    const auto result = run_program(
        binary(), tiny_run(parent_) + Words{"--steps", "40", "--checkpoint-every", "20", "--keep", "5"});
    EXPECT_EQ(result.exit_code, 0) << result.output;
    before_ = contents_of(parent_);
  }
  ~Branch() override { EXPECT_EQ(contents_of(parent_), before_) << "the parent is only read"; }

  Words branch_words(uint64_t step = 20) const {
    return {"branch", "--checkpoint", (checkpoints_folder(parent_) / checkpoint_name(step)).string(),
            "--state", branch_.string()};
  }
  std::string branch(const Words& more, uint64_t step = 20) const {
    const auto result = run_program(binary(), branch_words(step) + more);
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return result.output;
  }
  void expect_refused(const Words& words, int exit_code, const testing::Matcher<std::string>& message) const {
    const auto result = run_program(binary(), words);
    EXPECT_EQ(result.exit_code, exit_code) << result.output;
    EXPECT_THAT(result.output, message);
    EXPECT_FALSE(folder_exists(branch_)) << "nothing is created";
  }

  TempFolder folder_;
  fs::path parent_ = folder_ / "parent";
  fs::path branch_ = folder_ / "branch";
  std::map<std::string, std::string> before_;
};

TEST_F(Branch, WithoutChangesIsItsParentsContinuationBitForBit) {
  branch({"--steps", "40"});
  EXPECT_EQ(state_hashes(branch_, 40), state_hashes(parent_, 40));
  EXPECT_EQ(state_hashes(branch_, 20), state_hashes(parent_, 20)) << "it is saved before its first step";
  const auto of_parent = steps(parent_);
  const auto of_branch = steps(branch_);
  ASSERT_EQ(of_branch.size(), 20U);
  for (size_t i = 0; i < of_branch.size(); ++i) {
    for (const char* key : {"step", "tokens", "epoch", "loss", "grad_norm", "learning_rate", "batch_hash"})
      EXPECT_EQ(of_branch[i][key], of_parent[20 + i][key]) << key << " of record " << i;
  }
}

TEST_F(Branch, WithAnotherLearningRateMakesTheSameFirstLossAndOtherWeights) {
  branch({"--steps", "40", "--learning-rate", "1e-4"});
  const auto of_parent = steps(parent_);
  const auto of_branch = steps(branch_);
  ASSERT_EQ(of_branch.size(), 20U);
  EXPECT_EQ(of_branch[0]["loss"], of_parent[20]["loss"]);
  EXPECT_EQ(of_branch[0]["batch_hash"], of_parent[20]["batch_hash"]);
  EXPECT_NE(of_branch[0]["learning_rate"], of_parent[20]["learning_rate"]);
  EXPECT_NE(of_branch[1]["loss"], of_parent[21]["loss"]);
}

TEST_F(Branch, LeavesAConfigurationThatSaysHowToStartItAgain) {
  branch({"--steps", "30", "--learning-rate", "1e-3"});
  const fs::path ini = branch_ / "run.ini";
  const std::string text = read_file(ini);
  const std::string command = text.substr(0, text.find('\n'));
  const std::string parent = (checkpoints_folder(parent_) / checkpoint_name(20)).string();
  EXPECT_THAT(command, HasSubstr("'pretrain branch --checkpoint " + fs::canonical(parent).string() +
                                 " --config THIS_FILE --state NEW'"));
  const fs::path again = folder_ / "again";
  const auto result = run_program(
      binary(), {"branch", "--checkpoint", parent, "--config", ini.string(), "--state", again.string()});
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(state_hashes(again, 30), state_hashes(branch_, 30));
}

TEST_F(Branch, TellsItsOriginAndIsResumedLikeAnyRun) {
  branch({"--steps", "25", "--learning-rate", "1e-4"});
  const auto resumed = run_program(binary(), {"resume", "--state", branch_.string(), "--steps", "30"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
  const auto inspected = run_program(binary(), {"inspect", branch_.string()});
  EXPECT_THAT(inspected.output,
              AllOf(HasSubstr("branch of " + parent_.string() + "/checkpoints/step-000000020, step 20"),
                    HasSubstr("learning-rate: 1e-4 instead of 0.003"), HasSubstr("text continued")))
      << inspected.output;
  const Manifest manifest = verify_checkpoint(checkpoints_folder(branch_) / checkpoint_name(30)).manifest;
  EXPECT_EQ(manifest.parent["step"], 20);
  EXPECT_THAT(read_file(checkpoints_folder(parent_) / checkpoint_name(20) / kManifestName),
              HasSubstr(manifest.parent["manifest_hash"].get<std::string>()));
}

TEST_F(Branch, WithAnotherBatchStartsItsStreamAnewAndSaysSo) {
  const std::string output = branch({"--steps", "25", "--batch", "4"});
  EXPECT_THAT(output, HasSubstr("the text starts from the beginning (changed: --batch)"));
  const auto of_branch = steps(branch_);
  ASSERT_EQ(of_branch.size(), 5U);
  EXPECT_EQ(of_branch[0]["step"], 21);
}

TEST_F(Branch, OnAnotherCorpusStartsItsStreamAnew) {
  std::string text;
  for (int i = 0; i < 4000; ++i) text += "the hills and the sea number " + std::to_string(i) + "\n\n";
  const auto other = folder_.write("other/text.txt", text).parent_path();
  const std::string output =
      branch({"--steps", "25", "--corpus", other.string(), "--documents", "paragraphs"});
  EXPECT_THAT(output, HasSubstr("starts from the beginning (changed: --documents, --corpus)"));
  EXPECT_EQ(last_step(branch_), 25U);
}

TEST_F(Branch, OfWeightsAloneBeginsAtStepZeroWithTheParentsWeights) {
  const auto result = run_program(binary(), [&] {
    Words words = branch_words() + Words{"--steps", "3"};
    words.emplace_back("--weights-only");
    return words;
  }());
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(steps(branch_).front()["step"], 1);
  EXPECT_EQ(state_hashes(branch_, 0)["model.safetensors"], state_hashes(parent_, 20)["model.safetensors"]);
  EXPECT_NE(state_hashes(branch_, 0)["optimizer.safetensors"],
            state_hashes(parent_, 20)["optimizer.safetensors"]);
}

TEST_F(Branch, TakesTheNewestCheckpointOfAStateFolder) {
  const auto result = run_program(
      binary(), {"branch", "--checkpoint", parent_.string(), "--state", branch_.string(), "--steps", "42"});
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(steps(branch_).front()["step"], 41);
}

TEST_F(Branch, RefusesWhatItCannotChangeByNameAndCreatesNothing) {
  for (const Words& keys : std::vector<Words>{{"--d-model", "32"},
                                              {"--layers", "3"},
                                              {"--context", "16"},
                                              {"--vocab", "900"},
                                              {"--model", "base"},
                                              {"--heads", "2"}}) {
    expect_refused(branch_words() + keys, 2, HasSubstr(keys[0] + " " + keys[1]));
  }
  expect_refused(branch_words() + Words{"--learning-rate", "fast"}, 2, HasSubstr("--learning-rate"));
  expect_refused(branch_words() + Words{"--corpus", (folder_ / "nowhere").string()}, 3, HasSubstr("nowhere"));
  expect_refused(branch_words(40), 2, HasSubstr("--steps 40 is reached"));
  expect_refused({"branch", "--checkpoint", (folder_ / "nowhere").string(), "--state", branch_.string()}, 3,
                 HasSubstr("no such folder"));
  expect_refused({"branch", "--state", branch_.string()}, 2, HasSubstr("--checkpoint is missing"));
  expect_refused({"branch", "--checkpoint", parent_.string()}, 2, HasSubstr("--state is missing"));
}

TEST_F(Branch, WithAnotherOptimizerStartsWithoutMomentsAndSaysSo) {
  const std::string output = branch({"--steps", "25", "--optimizer", "muon"});
  EXPECT_THAT(output, HasSubstr("without its parent's moments (changed: --optimizer)"));
  EXPECT_EQ(state_hashes(branch_, 20)["model.safetensors"], state_hashes(parent_, 20)["model.safetensors"]);
  const auto of_branch = steps(branch_);
  ASSERT_EQ(of_branch.size(), 5U);
  EXPECT_EQ(of_branch[0]["loss"], steps(parent_)[20]["loss"]);
  const auto tensors =
      SafetensorsFile::open(checkpoints_folder(branch_) / checkpoint_name(25) / "optimizer.safetensors")
          .tensors();
  EXPECT_TRUE(tensors.contains("momentum.transformer.h.0.mlp.c_fc.weight"));
  EXPECT_FALSE(tensors.contains("m.transformer.h.0.mlp.c_fc.weight"));
  const auto inspected = run_program(binary(), {"inspect", branch_.string()});
  EXPECT_THAT(inspected.output,
              AllOf(HasSubstr("took weights and step count"), HasSubstr("optimizer: muon instead of adamw")));
  const auto resumed = run_program(binary(), {"resume", "--state", branch_.string(), "--steps", "28"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
  const auto changed =
      run_program(binary(), tiny_run(branch_) + Words{"--optimizer", "adamw", "--steps", "30"});
  EXPECT_EQ(changed.exit_code, 2);
  EXPECT_THAT(changed.output, HasSubstr("--optimizer adamw (the run has muon)"));
}

/// The rates of all steps in the record of a run.
std::vector<double> rates_of(const fs::path& state) {
  std::vector<double> rates;
  for (const auto& record : steps(state)) rates.push_back(record["learning_rate"]);
  return rates;
}

/// The parent is at 0.2 of its warmup at step 20, so the test makes one whose warmup is over.
class Cooldown : public Branch {
 protected:
  Cooldown() {
    const auto result = run_program(
        binary(), tiny_run(endless_) + Words{"--steps", "24", "--warmup", "4", "--checkpoint-every", "12"});
    EXPECT_EQ(result.exit_code, 0) << result.output;
  }
  Words words(uint64_t step, const Words& more) const {
    return Words{"branch",  "--checkpoint",   (checkpoints_folder(endless_) / checkpoint_name(step)).string(),
                 "--state", branch_.string(), "--schedule",
                 "cooldown"} +
           more;
  }

  fs::path endless_ = folder_ / "endless";
};

TEST_F(Cooldown, FallsToZeroFromTheCheckpointAndLeavesItsParentToContinue) {
  const auto result = run_program(binary(), words(12, {"--steps", "31"}));
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("the cooldown schedule ends at step 31"));
  const auto rates = rates_of(branch_);
  ASSERT_EQ(rates.size(), 19U);
  for (size_t i = 0; i < rates.size(); ++i)
    EXPECT_NEAR(rates[i], 3e-3 * (19.0 - static_cast<double>(i)) / 20, 1e-12) << i;
  const auto parent = run_program(binary(), {"resume", "--state", endless_.string(), "--steps", "30"});
  EXPECT_EQ(parent.exit_code, 0) << parent.output;
  EXPECT_EQ(rates_of(endless_).back(), 3e-3);
}

TEST_F(Cooldown, IsTheSameAfterAStop) {
  const auto whole = folder_ / "whole";
  ASSERT_EQ(run_program(binary(), words(12, {"--steps", "30"}) + Words{"--state", whole.string()}).exit_code,
            0);
  ASSERT_EQ(run_program(binary(), words(12, {"--steps", "18", "--schedule-steps", "30"})).exit_code, 0);
  const auto resumed = run_program(binary(), {"resume", "--state", branch_.string(), "--steps", "30"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.output;
  EXPECT_EQ(state_hashes(branch_, 30), state_hashes(whole, 30));
}

TEST_F(Cooldown, OfACooldownFallsFromTheRateThatThatOneHadReached) {
  const auto first = folder_ / "first";
  ASSERT_EQ(run_program(binary(), words(12, {"--steps", "21", "--checkpoint-every", "3", "--keep", "9"}) +
                                      Words{"--state", first.string()})
                .exit_code,
            0);
  const auto result = run_program(
      binary(), words(12, {"--steps", "20"}) +
                    Words{"--checkpoint", (checkpoints_folder(first) / checkpoint_name(15)).string()});
  ASSERT_EQ(result.exit_code, 0) << result.output;
  const auto rates = rates_of(branch_);
  ASSERT_EQ(rates.size(), 5U);
  const double reached = rates_of(first)[2];
  EXPECT_NEAR(reached, 3e-3 * 0.7, 1e-12);
  for (size_t i = 0; i < rates.size(); ++i)
    EXPECT_NEAR(rates[i], reached * (5.0 - static_cast<double>(i)) / 6, 1e-12) << i;
}

TEST_F(Cooldown, RefusesWhatHasNoRateOrNoEnd) {
  expect_refused(words(12, {"--steps", "0"}), 2, HasSubstr("--schedule cooldown needs an end"));
  expect_refused(words(12, {"--steps", "10"}), 2, HasSubstr("--steps includes the parent's steps"));
  expect_refused(words(12, {"--steps", "0", "--tokens", "500"}), 2,
                 HasSubstr("would end at step 2, but falls from step 12 on"));
  expect_refused(words(0, {"--steps", "30"}), 2, HasSubstr("after the warmup of 4 steps (got step 0)"));
  Words weights = words(12, {"--steps", "30"});
  weights.emplace_back("--weights-only");
  expect_refused(weights, 2, HasSubstr("--schedule linear"));
  expect_refused(tiny_run(branch_) + Words{"--schedule", "cooldown", "--steps", "9"}, 2,
                 HasSubstr("use it in pretrain branch"));
}

TEST_F(Branch, NeedsANewFolderOutsideOfItsParent) {
  expect_refused(branch_words() + Words{"--state", parent_.string()}, 2, HasSubstr("is not empty"));
  expect_refused(branch_words() + Words{"--state", (parent_ / "new").string()}, 2,
                 HasSubstr("is inside the parent's folder"));
  const auto mine = folder_.write("mine/notes.txt", "mine").parent_path();
  expect_refused(branch_words() + Words{"--state", mine.string()}, 2, HasSubstr("it holds notes.txt"));
  branch({"--steps", "21"});
  const auto again = run_program(binary(), branch_words() + Words{"--steps", "22"});
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.output, HasSubstr("pretrain resume --state " + branch_.string()));
}

TEST_F(Branch, IsNamedAsOneByACheck) {
  Words words = branch_words() + Words{"--steps", "30"};
  words.emplace_back("--check");
  const auto check = [&] { return run_program(binary(), words).output; };
  EXPECT_THAT(check(), testing::HasSubstr("a branch would start in " + branch_.string() + " from step 20"));
  words.emplace_back("--weights-only");
  EXPECT_THAT(check(), testing::HasSubstr("a branch would start in " + branch_.string() +
                                          " with the weights of step 20"));
  EXPECT_FALSE(folder_exists(branch_));
}

TEST_F(Branch, RefusesADamagedParent) {
  const auto copy = folder_ / "copy";
  fs::copy(checkpoints_folder(parent_) / checkpoint_name(20), copy);
  std::fstream(copy / "optimizer.safetensors", std::ios::in | std::ios::out | std::ios::binary)
      .seekp(5000)
      .put('~');
  expect_refused(Words{"branch", "--checkpoint", copy.string(), "--state", branch_.string()}, 3,
                 HasSubstr("optimizer.safetensors is damaged"));
}

}  // namespace
}  // namespace pretrain::test
