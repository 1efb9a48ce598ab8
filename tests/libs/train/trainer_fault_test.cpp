// SPDX-License-Identifier: Apache-2.0
// What goes wrong during training: numbers that are not finite, disks that fail, a loader that ends with an
// error.

#include <cerrno>
#include <filesystem>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/train/trainer.h"
#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

using test::contains;
using test::error_of;
using test::steps_only;
using test::TestRun;
using testing::HasSubstr;
using testing::Not;

void break_disk(TestRun& run) {
  run.files.set_fault({.code = ENOSPC, .first_call = run.files.call_count() + 1, .lasting = true});
}

TEST(TrainerFaults, ANanBatchIsPassedOverAndCounted) {
  TestRun run;
  run.poison();
  run.source.poisoned = {3, 4, 7};
  run.train(steps_only(10));
  for (const StepRecord& record : run.observer.steps) {
    const bool poisoned = run.source.poisoned.contains(record.step - 1);
    EXPECT_EQ(record.applied, !poisoned) << record.step;
    EXPECT_EQ(std::isfinite(record.loss) && std::isfinite(record.gradient_norm), !poisoned) << record.step;
  }
  EXPECT_EQ(run.observer.steps.size(), 10U);
  EXPECT_TRUE(test::all_finite(run.parameters()));
  EXPECT_EQ(run.checkpoint_steps().front(), 10U);
}

TEST(TrainerFaults, TokensOfASkippedStepCountAsRead) {
  TestRun run;
  run.poison();
  run.source.poisoned = {1};
  run.train(steps_only(3));
  uint64_t tokens = 0;
  for (const StepRecord& record : run.observer.steps) {
    EXPECT_GT(record.step_tokens, 0U);
    EXPECT_EQ(record.tokens, tokens += record.step_tokens) << "step " << record.step;
  }
  ASSERT_EQ(run.observer.steps.size(), 3U);
  EXPECT_FALSE(run.observer.steps[1].applied);
}

TEST(TrainerFaults, APassedOverStepChangesNothing) {
  TestRun run;
  run.poison();
  run.train(steps_only(3));
  const std::vector<float> before = run.parameters();
  run.source.poisoned = {3, 4};
  run.train(steps_only(5));
  EXPECT_EQ(run.parameters(), before);
  run.train(steps_only(6));
  EXPECT_NE(run.parameters(), before);
}

TEST(TrainerFaults, FiveNanBatchesInARowAreReplayedOnceAndPassedOver) {
  TestRun run;
  run.poison();
  run.source.poisoned = {2, 3, 4, 5, 6};
  TrainerOptions options = steps_only(12);
  options.checkpoint_every = 2;
  const RunSummary summary = run.train(options);
  EXPECT_EQ(summary.run.returns, 1U);
  EXPECT_EQ(summary.last_step, 12U);
  std::vector<uint64_t> steps;
  for (const StepRecord& record : run.observer.steps) steps.push_back(record.step);
  EXPECT_THAT(steps, testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
  EXPECT_TRUE(test::all_finite(run.parameters()));
  uint64_t faults = 0;
  for (const auto& record : run.log()) faults += record.contains("hardware_fault");
  EXPECT_EQ(faults, 0U) << "the machine is sound";
}

TEST(TrainerFaults, AReplayLeavesTheSameRunAsNone) {
  TestRun replayed;
  replayed.poison();
  replayed.source.poisoned = {2, 3, 4, 5, 6};
  EXPECT_EQ(replayed.train(steps_only(12)).run.returns, 1U);
  TestRun stopped;  // no row is long enough within a session to be returned from before it is saved
  stopped.poison();
  stopped.source.poisoned = {2, 3, 4, 5, 6};
  stopped.train(steps_only(6));
  stopped.train(steps_only(12));
  EXPECT_EQ(replayed.parameters(), stopped.parameters());
  EXPECT_EQ(replayed.newest_hashes(), stopped.newest_hashes());
}

const OptimizerOptions kMuonOptions{.kind = OptimizerKind::kMuon, .muon = {.momentum_warmup = 9}};

TrainerOptions muon_steps(uint64_t steps) {
  TrainerOptions options = steps_only(steps);
  options.optimizer = kMuonOptions;
  return options;
}

/// A checkpoint of step 0 of a run with Muon, as poison() makes it.
void poison_with_muon(TestRun& run) {
  run.optimizer = kMuonOptions;
  run.poison();
}

/// Its momentum returns with the checkpoint, and so does the number of updates that the momentum rises with.
TEST(TrainerFaults, AReplayLeavesMuonTheSameRunAsNone) {
  const auto train = [](TestRun& run, const std::vector<uint64_t>& sessions) {
    poison_with_muon(run);
    run.source.poisoned = {2, 3, 4, 5, 6};
    uint64_t returns = 0;
    for (const uint64_t steps : sessions) {
      TrainerOptions options = muon_steps(steps);
      options.checkpoint_every = 2;
      returns += run.train(options).run.returns;
    }
    return returns;
  };
  TestRun replayed, stopped;
  EXPECT_EQ(train(replayed, {12}), 1U);
  train(stopped, {6, 9, 12});
  EXPECT_EQ(replayed.parameters(), stopped.parameters());
  EXPECT_EQ(replayed.newest_hashes(), stopped.newest_hashes());
  TestRun unpoisoned;
  poison_with_muon(unpoisoned);
  unpoisoned.train(muon_steps(12));
  EXPECT_NE(replayed.parameters(), unpoisoned.parameters());
}

TEST(TrainerFaults, AFaultThatTheReplayDoesNotRepeatLeavesNoTraceInMuon) {
  TestRun sound;
  poison_with_muon(sound);
  sound.train(muon_steps(12));
  TestRun faulty;
  poison_with_muon(faulty);
  faulty.source.poisoned = {2, 3, 4, 5, 6};
  faulty.observer.after_step = [&](uint64_t step) {
    if (step == 7) faulty.source.poisoned.clear();
  };
  EXPECT_EQ(faulty.train(muon_steps(12)).run.returns, 1U);
  EXPECT_EQ(faulty.parameters(), sound.parameters());
  EXPECT_EQ(faulty.newest_hashes(), sound.newest_hashes());
}

TEST(TrainerFaults, ARowThatGoesOnAfterTheReplayStopsTheRunAndNamesBatchesAndDocuments) {
  TestRun run;
  run.poison();
  run.source.poisoned = {2, 3, 4, 5, 6, 7};
  const auto error = error_of([&] { run.train(steps_only(20)); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->kind(), ErrorKind::kData) << "a service would be started again and again";
  EXPECT_TRUE(contains(error, "steps 3 to 8, batches 2 to 7")) << error->what();
  EXPECT_TRUE(contains(error, "document 7")) << error->what();
  EXPECT_TRUE(test::all_finite(run.parameters()));
  EXPECT_THAT(run.checkpoint_steps(), testing::ElementsAre(0)) << "nothing is saved";
}

TEST(TrainerFaults, PassedOverBatchesAreInTheLogWithTheirDocuments) {
  TestRun run;
  run.poison();
  run.source.poisoned = {3};
  run.train(steps_only(6));
  std::vector<nlohmann::json> found;
  for (const auto& record : run.log()) {
    if (record.contains("passed_over_batches")) found.push_back(record);
  }
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0]["step"], 4);
  EXPECT_EQ(found[0]["passed_over_batches"], nlohmann::json({3}));
  EXPECT_EQ(found[0]["documents"], nlohmann::json({"document 3"}));
}

/// The machine computes wrongly for a while: batches are poisoned until the run has returned once.
TEST(TrainerFaults, AFaultThatTheReplayDoesNotRepeatIsReportedAndLeavesNoTrace) {
  TestRun sound;
  sound.poison();
  sound.train(steps_only(12));
  TestRun faulty;
  faulty.poison();
  faulty.source.poisoned = {2, 3, 4, 5, 6};
  faulty.observer.after_step = [&](uint64_t step) {
    if (step == 7) faulty.source.poisoned.clear();
  };
  const RunSummary summary = faulty.train(steps_only(12));
  EXPECT_EQ(summary.run.returns, 1U);
  uint64_t faults = 0;
  for (const auto& record : faulty.log()) faults += record.contains("hardware_fault");
  EXPECT_EQ(faults, 5U);
  EXPECT_EQ(faulty.parameters(), sound.parameters());
  EXPECT_EQ(faulty.newest_hashes(), sound.newest_hashes());
}

std::vector<uint64_t> steps_with_hardware_faults(const TestRun& run) {
  std::vector<uint64_t> steps;
  for (const auto& record : run.log()) {
    if (record.contains("hardware_fault")) steps.push_back(record.at("step"));
  }
  return steps;
}

/// A wrong gradient changes the loss of later steps alone.
TEST(TrainerFaults, AGradientThatTheReplayDoesNotRepeatIsReportedAtItsStep) {
  TestRun run;
  run.poison();
  run.source.poisoned = {4, 5, 6, 7, 8};
  uint64_t step_under_way = 1;
  bool was_wrong = false;
  run.observer.after_step = [&](uint64_t step) { step_under_way = step + 1; };
  run.probe = [&](std::string_view name, std::span<float> values) {
    if (name != "gradients" || step_under_way != 3 || was_wrong) return;
    was_wrong = true;
    for (float& value : values) value *= 1.5F;
  };
  EXPECT_EQ(run.train(steps_only(10)).run.returns, 1U);
  EXPECT_THAT(steps_with_hardware_faults(run), testing::ElementsAre(3, 4));
}

/// Steps without a number to compare are compared by their batches.
TEST(TrainerFaults, ABadStepThatIsRepeatedWithAnotherBatchIsReported) {
  TestRun run;
  run.poison();
  run.source.poisoned = {4, 5, 6, 7, 8};
  TrainerOptions options = steps_only(10);
  options.checkpoint_every = 4;
  run.observer.after_step = [&](uint64_t step) {
    if (step == 9) run.source.rows = 4;  // when the run has returned
  };
  EXPECT_EQ(run.train(options).run.returns, 1U);
  EXPECT_THAT(steps_with_hardware_faults(run), testing::ElementsAre(5, 6, 7, 8, 9));
}

/// Damage on the disk that is found on the way back: the run continues from the checkpoint before.
TEST(TrainerFaults, AStepThatWasSavedBeforeAReturnIsSavedAgain) {
  TestRun run;
  run.poison();
  run.source.poisoned = {4, 5, 6, 7, 8};
  uint64_t last_step = 0;
  bool was_damaged = false;
  run.observer.after_step = [&](uint64_t step) { last_step = step; };
  run.take_save_request = [&] { return last_step == 4 || (last_step == 2 && !was_damaged); };
  run.observer.after_save = [&](const SaveResult& result) {
    if (result.step != 4 || std::exchange(was_damaged, true)) return;
    std::filesystem::resize_file(
        checkpoints_folder(run.state_folder()) / checkpoint_name(4) / "model.safetensors", 100);
  };
  EXPECT_EQ(run.train(steps_only(12)).run.returns, 1U);
  EXPECT_THAT(run.checkpoint_steps(), testing::ElementsAre(12, 4, 2, 0));
}

TEST(TrainerFaults, TheGuardCountsAcrossSessions) {
  TestRun run;
  run.poison();
  run.source.poisoned = {2, 3, 4, 5, 6, 7};
  run.train(steps_only(5));
  EXPECT_TRUE(contains(error_of([&] { run.train(steps_only(20)); }), "steps 3 to 8"));
}

TEST(TrainerFaults, NoCheckpointIsTakenInTheMiddleOfARow) {
  TestRun run;
  run.poison();
  run.source.poisoned = {3, 4, 5};
  TrainerOptions options = steps_only(9);
  options.checkpoint_every = 2;
  run.train(options);
  EXPECT_THAT(run.checkpoint_steps(), testing::ElementsAre(9, 8, 2, 0));
}

TEST(TrainerFaults, AFailedSaveDoesNotStopTheTraining) {
  TestRun run;
  TrainerOptions options = steps_only(10);
  options.checkpoint_every = 5;
  run.observer.before_save = [&](uint64_t step) {
    if (step == 5) break_disk(run);
  };
  run.observer.after_save = [&](const SaveResult& result) {
    if (!result.ok) run.files.clear_fault();
  };
  run.train(options);
  EXPECT_EQ(run.checkpoint_steps(), (std::vector<uint64_t>{10, 0}));
  ASSERT_EQ(run.observer.saves.size(), 3U);
  EXPECT_FALSE(run.observer.saves[1].ok);
  EXPECT_NE(run.observer.saves[1].error.find("No space left"), std::string::npos)
      << run.observer.saves[1].error;
}

TEST(TrainerFaults, AFailingFinalSaveNamesTheLastGoodStep) {
  TestRun run;
  TrainerOptions options = steps_only(9);
  options.checkpoint_every = 4;
  run.observer.before_save = [&](uint64_t step) {
    if (step == 9) break_disk(run);
  };
  testing::internal::CaptureStdout();  // where the log goes before a program has set it up
  const auto error = error_of([&] { run.train(options); });
  EXPECT_THAT(testing::internal::GetCapturedStdout(), Not(HasSubstr("checkpoint of step 9 failed")))
      << "the error says so";
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->kind(), ErrorKind::kRuntime);
  EXPECT_TRUE(contains(error, "the final checkpoint of step 9 failed")) << error->what();
  EXPECT_TRUE(contains(error, "step 8")) << error->what();
  EXPECT_EQ(run.checkpoint_steps().front(), 8U);
}

TEST(TrainerFaults, AFailingFinalSaveSaysWhenThereIsNoCheckpoint) {
  TestRun run;
  run.observer.before_save = [&](uint64_t) { break_disk(run); };
  const auto error = error_of([&] { run.train(steps_only(3)); });
  ASSERT_TRUE(error.has_value());
  EXPECT_TRUE(contains(error, "there is no earlier one")) << error->what();
  EXPECT_EQ(run.observer.steps.size(), 3U);
}

TEST(TrainerFaults, ALoaderErrorIsToldAfterASave) {
  TestRun run;
  run.source.fails_at = 6;
  const auto error = error_of([&] { run.train(steps_only(20)); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->kind(), ErrorKind::kData);
  EXPECT_STREQ(error->what(), "shard x changed");
  EXPECT_EQ(run.checkpoint_steps().front(), 6U);
}

TEST(TrainerFaults, ALoaderErrorLosesNoBatchOfABegunStep) {
  TestRun run;
  run.source.fails_at = 5;
  TrainerOptions options = steps_only(20);
  options.accumulate = 3;
  EXPECT_TRUE(contains(error_of([&] { run.train(options); }), "shard x changed"));
  EXPECT_EQ(run.checkpoint_steps().front(), 2U);  // the second step has the two batches that came
  run.source.fails_at = std::nullopt;
  run.observer.steps.clear();
  options.max_steps = 3;
  options.accumulate = 1;
  run.train(options);
  EXPECT_EQ(run.observer.steps.front().batch_hash, test::random_batch(run.model, run.source.rows, 5).hash);
}

TEST(TrainerFaults, ALoaderErrorIsToldEvenWhenTheLoaderHasNoStateAnyMore) {
  TestRun run;
  run.source.fails_at = 6;
  run.source.state_fails_too = true;
  EXPECT_TRUE(contains(error_of([&] { run.train(steps_only(20)); }), "shard x changed"));
  EXPECT_EQ(run.checkpoint_steps(), (std::vector<uint64_t>{0}));
}

TEST(TrainerFaults, ALoaderErrorIsToldEvenWhenTheDiskIsBrokenToo) {
  TestRun run;
  run.source.fails_at = 6;
  run.observer.before_save = [&](uint64_t step) {
    if (step == 6) break_disk(run);
  };
  testing::internal::CaptureStdout();
  EXPECT_TRUE(contains(error_of([&] { run.train(steps_only(20)); }), "shard x changed"));
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("checkpoint of step 6 failed: "));
}

}  // namespace
}  // namespace pretrain
