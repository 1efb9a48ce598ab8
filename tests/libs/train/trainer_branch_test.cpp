// SPDX-License-Identifier: Apache-2.0
// A run that starts from the checkpoint of another one: what it takes from its parent, and what is its own.

#include <memory>

#include <gtest/gtest.h>

#include "libs/train/trainer.h"
#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

using test::steps_only;
using test::TestRun;

/// In a state folder of its own.
class Branch {
 public:
  explicit Branch(const TestRun& parent) : parent_(parent) {}

  RunSummary train(const TrainerOptions& options) {
    Compute compute(1);
    CheckpointStore store(real_file_system(), folder_.path(), {});
    FmaPeak peak(compute, options.precision);
    Trainer trainer({.compute = compute,
                     .model = parent_.model,
                     .files = real_file_system(),
                     .state_folder = folder_.path(),
                     .store = store,
                     .evaluation = as_set(evaluation),
                     .fixed_files = {{.name = "config.json", .data = std::string("{}")}},
                     .configuration = {{"seed", 1}},
                     .fingerprint = {{"processor", "any"}},
                     .peak = peak,
                     .open_source =
                         [this](const StreamState* state) {
                           return std::make_unique<test::FakeSource>(parent_.model, parent_.source, state);
                         },
                     .observers = {&observer},
                     .stop = {}},
                    options);
    trainer.branch(*find_newest_verified(parent_.state_folder()), taken);
    const RunSummary summary = trainer.run();
    parameters.assign(trainer.parameters(), trainer.parameters() + trainer.layout().flat_size());
    return summary;
  }

  EvaluationData evaluation;  ///< none
  Trainer::Inheritance taken;
  test::RecordingObserver observer;
  std::vector<float> parameters;

 private:
  const TestRun& parent_;
  test::TempFolder folder_;
};

TEST(TrainerBranch, ContinuesItsParentBitForBit) {
  TestRun parent;
  parent.train(steps_only(4));
  Branch branch(parent);
  branch.train(steps_only(7));
  parent.train(steps_only(7));
  EXPECT_EQ(branch.observer.steps.front().step, 5U);
  EXPECT_EQ(branch.parameters, parent.parameters());
}

TEST(TrainerBranch, MayLeaveStreamAndMomentsToItsParent) {
  TestRun parent;
  parent.train(steps_only(4));
  Branch whole(parent), without_stream(parent), without_moments(parent);
  without_stream.taken.stream = false;
  without_moments.taken.optimizer = false;
  for (Branch* branch : {&whole, &without_stream, &without_moments}) branch->train(steps_only(5));
  const auto batch_of = [&](uint64_t number) {
    return test::random_batch(parent.model, parent.source.rows, number).hash;
  };
  EXPECT_EQ(whole.observer.steps.front().batch_hash, batch_of(4));
  EXPECT_EQ(without_stream.observer.steps.front().batch_hash, batch_of(0));
  EXPECT_EQ(without_moments.observer.steps.front().batch_hash, batch_of(4));
  EXPECT_NE(without_moments.parameters, whole.parameters);
}

TEST(TrainerBranch, HasEvaluationsOfItsOwn) {
  TestRun parent;
  TrainerOptions options = steps_only(6);
  options.evaluate_every = 3;
  ASSERT_TRUE(parent.train(options).first_evaluation);
  Branch silent(parent);
  EXPECT_FALSE(silent.train(steps_only(8)).first_evaluation);
  EXPECT_FALSE(silent.observer.snapshots.front().validation);
  Branch branch(parent);
  branch.evaluation = parent.evaluation;
  const RunSummary summary = branch.train(steps_only(8));
  ASSERT_TRUE(summary.first_evaluation);
  EXPECT_EQ(summary.first_evaluation->step, 8U) << "those of its parent are of steps 0 to 6";
}

/// With other keys, what failed in the parent even when it was repeated gets its chances again.
TEST(TrainerBranch, RepeatsBadStepsThatItsParentHasRepeated) {
  TestRun parent;
  parent.poison();
  parent.source.poisoned = {2, 3, 4, 5, 6};
  uint64_t returned = 0;
  parent.observer.after_step = [&](uint64_t step) {
    if (step == 7) ++returned;  // the run returns after this step
    if (returned > 0 && step == 4) parent.stop.request_stop();
  };
  ASSERT_EQ(parent.train(steps_only(20)).saved_step, 2U) << "amid the steps that are repeated";
  Branch branch(parent);
  const RunSummary summary = branch.train(steps_only(9));
  EXPECT_EQ(summary.run.returns, 1U);
  EXPECT_EQ(summary.last_step, 9U);
}

}  // namespace
}  // namespace pretrain
