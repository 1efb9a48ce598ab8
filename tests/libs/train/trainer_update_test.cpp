// SPDX-License-Identifier: Apache-2.0
// What the trainer hands to the optimizer, and when: rate, clipping, and not before a save has read what the
// update changes.

#include <cmath>
#include <condition_variable>
#include <mutex>

#include <gtest/gtest.h>

#include "libs/checkpoint/safetensors.h"
#include "libs/train/trainer.h"
#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

using test::steps_only;
using test::TestRun;

TrainerOptions without_decay(uint64_t steps) {
  TrainerOptions options = steps_only(steps);
  options.optimizer.weight_decay = 0;
  return options;
}

/// Largest change of a parameter by the sessions after the first step.
double largest_change(const std::vector<float>& before, const std::vector<float>& after) {
  double largest = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(after[i]) - before[i]));
  }
  return largest;
}

/// Of the first moments in the newest checkpoint.
double norm_of_first_moments(const TestRun& run) {
  const Path folder =
      checkpoints_folder(run.state_folder()) / checkpoint_name(run.checkpoint_steps().front());
  const SafetensorsFile file = SafetensorsFile::open(folder / "optimizer.safetensors");
  double sum = 0;
  for (const auto& [name, info] : file.tensors()) {
    if (!name.starts_with("m.")) continue;
    std::vector<float> values(info.size_bytes / sizeof(float));
    file.read(name, std::as_writable_bytes(std::span(values)));
    for (const float value : values) sum += static_cast<double>(value) * value;
  }
  return std::sqrt(sum);
}

/// The first update of AdamW moves each parameter with a gradient by the learning rate.
TEST(TrainerUpdate, TheFirstStepMovesParametersByTheRateOfTheSchedule) {
  for (const uint64_t warmup : {2U, 50U}) {
    TrainerOptions options = without_decay(1);
    options.schedule.warmup_steps = warmup;
    const double rate = options.schedule.peak / static_cast<double>(warmup);
    TestRun untrained;
    untrained.source.batches = 0;  // the stream ends before the first step
    untrained.train(options);
    TestRun run;
    run.train(options);
    EXPECT_NEAR(largest_change(untrained.parameters(), run.parameters()), rate, 5e-3 * rate) << warmup;
  }
}

TEST(TrainerUpdate, ALaterStepMovesParametersByTheRateOfTheSchedule) {
  const auto change_of_step_four = [](ScheduleKind kind) {
    TestRun run;
    run.train(without_decay(3));
    const auto before = run.parameters();
    TrainerOptions options = without_decay(4);
    options.schedule = {.kind = kind, .peak = 3e-3, .final_share = 0.1, .warmup_steps = 1, .total_steps = 3};
    run.train(options);
    return largest_change(before, run.parameters());
  };
  // At the end of its cosine the rate is a tenth; gradients and moments are the same.
  EXPECT_NEAR(change_of_step_four(ScheduleKind::kConstant) / change_of_step_four(ScheduleKind::kCosine), 10,
              0.02);
}

/// The first moment after one step is (1 - beta1) times the clipped gradient.
TEST(TrainerUpdate, GradientsAreClippedToTheNorm) {
  TrainerOptions options = without_decay(1);
  const double share = 1 - options.optimizer.adamw.beta1;
  for (const double clip : {1e-3, 0.1}) {
    options.optimizer.gradient_clip = clip;
    TestRun run;
    run.train(options);
    ASSERT_GT(run.observer.steps.front().gradient_norm, clip);
    EXPECT_NEAR(norm_of_first_moments(run), share * clip, 1e-4 * share * clip);
  }
}

TEST(TrainerUpdate, GradientsBelowTheNormStayAsTheyAre) {
  for (const double clip : {0.0, 1e6}) {
    TrainerOptions options = without_decay(1);
    options.optimizer.gradient_clip = clip;
    TestRun run;
    run.train(options);
    const double expected = (1 - options.optimizer.adamw.beta1) * run.observer.steps.front().gradient_norm;
    EXPECT_NEAR(norm_of_first_moments(run), expected, 1e-4 * expected) << clip;
  }
}

/// Holds the writer inside of the write of a save until the trainer either waits for it or has gone past it.
class HeldWriter {
 public:
  explicit HeldWriter(TestRun& run) {
    run.files.set_observer([this](const test::Call& call) {
      if (call.operation != test::Operation::kWrite) return;
      if (call.path.native().find("step-000000002") == std::string::npos) return;
      if (call.path.filename() != "model.safetensors") return;
      hold();
    });
    run.observer.at_progress = [this] { note(progress_); };
    run.observer.after_step = [this](uint64_t step) {
      if (step == 3) note(updates_);
    };
  }

  bool held() const { return held_; }
  bool was_overtaken() const { return overtaken_; }

 private:
  /// Two micro-batches a step: the seventh call in step three is a second of waiting.
  static constexpr int kProgressOfThreeSteps = 6;

  void hold() {
    std::unique_lock lock(mutex_);
    if (std::exchange(held_, true)) return;
    changed_.wait(lock, [this] { return updates_ > 0 || progress_ > kProgressOfThreeSteps; });
    overtaken_ = updates_ > 0;
  }
  void note(int& count) {
    {
      const std::lock_guard lock(mutex_);
      ++count;
    }
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int progress_ = 0, updates_ = 0;
  bool held_ = false, overtaken_ = false;
};

TEST(TrainerUpdate, WaitsForASaveThatStillReadsWhatItChanges) {
  TestRun run;
  run.evaluation = {};
  HeldWriter writer(run);
  TrainerOptions options = steps_only(3);
  options.checkpoint_every = 2;
  run.train(options);
  run.files.set_observer({});
  EXPECT_TRUE(writer.held());
  EXPECT_FALSE(writer.was_overtaken()) << "step 3 was over before the save of step 2 had read the parameters";
}

}  // namespace
}  // namespace pretrain
