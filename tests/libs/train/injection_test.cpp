// SPDX-License-Identifier: Apache-2.0
// Non-finite numbers planted anywhere in a step: either the step is skipped, or they have no effect.

#include <limits>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "libs/base/rng.h"
#include "libs/train/trainer.h"
#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

using test::steps_only;
using test::TestRun;

/// In every third step, changes one element of one of the tensors that a step makes, all chosen by a seed.
class Injector {
 public:
  explicit Injector(uint64_t seed) : rng_(seed) {}

  void attach(TestRun& run) {
    run.source.before_batch = [this](uint64_t batch) { begin_step(batch + 1); };
    run.probe = [this](std::string_view name, std::span<float> values) { see(name, values); };
  }

  /// Name of the tensor by the step it was planted in.
  const std::map<uint64_t, std::string>& planted() const { return planted_; }

 private:
  void begin_step(uint64_t step) {
    step_ = step;
    tensors_ = std::exchange(seen_, 0);
    // The first step counts the tensors; later ones have as many.
    target_ = step % 3 == 0 && tensors_ > 0 ? rng_.below(tensors_) : UINT64_MAX;
  }

  void see(std::string_view name, std::span<float> values) {
    if (seen_++ != target_) return;
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    constexpr float kBad[] = {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity};
    values[rng_.below(values.size())] = kBad[rng_.below(std::size(kBad))];
    planted_[step_] = name;
  }

  Rng rng_;
  uint64_t step_ = 0;
  uint64_t seen_ = 0;     // tensors of this step so far
  uint64_t tensors_ = 0;  // of the step before
  uint64_t target_ = UINT64_MAX;
  std::map<uint64_t, std::string> planted_;
};

/// Plants one in every third step.
void expect_caught_or_harmless(Precision precision, uint64_t steps,
                               OptimizerKind optimizer = OptimizerKind::kAdamW) {
  TestRun run;
  Injector injector(20260101);
  injector.attach(run);
  TrainerOptions options = steps_only(steps);
  options.precision = precision;
  options.optimizer.kind = optimizer;
  options.checkpoint_every = 500;
  const RunSummary summary = run.train(options);
  EXPECT_EQ(summary.last_step, steps);
  EXPECT_GE(injector.planted().size(), steps / 3 - 1);
  std::set<std::string> tensors;
  std::map<std::string, int> unnoticed;
  uint64_t caught = 0;
  for (const StepRecord& record : run.observer.steps) {
    const auto planted = injector.planted().find(record.step);
    if (planted == injector.planted().end()) {
      EXPECT_TRUE(record.applied) << "clean step " << record.step;
      continue;
    }
    tensors.insert(planted->second);
    caught += !record.applied;
    if (record.applied) ++unnoticed[planted->second];
  }
  std::string list;
  for (const auto& [name, count] : unnoticed) list += fmt::format(" {} {}", name, count);
  fmt::print(
      "{} planted in {} tensors, {} caught before the update; without effect on loss and gradient:{}\n",
      injector.planted().size(), tensors.size(), caught, list);
  EXPECT_GE(tensors.size(), 22U);
  // -infinity is a logit of probability 0, and the rows of masked targets are not read.
  unnoticed.erase("logits");
  EXPECT_TRUE(unnoticed.empty());
  EXPECT_TRUE(test::all_finite(run.parameters()));
  for (const SaveResult& save : run.observer.saves) EXPECT_TRUE(save.ok) << save.error;
  EXPECT_EQ(run.checkpoint_steps().front(), steps);
}

TEST(Injection, AThousandBadNumbersAreCaughtOrHarmless) {
  expect_caught_or_harmless(Precision::kFloat32, 3005);
}

TEST(Injection, BadNumbersAreCaughtInBf16Too) {
  expect_caught_or_harmless(Precision::kBf16, 905);
}

TEST(Injection, BadNumbersAreCaughtBeforeMuonToo) {
  expect_caught_or_harmless(Precision::kFloat32, 605, OptimizerKind::kMuon);
}

}  // namespace
}  // namespace pretrain
