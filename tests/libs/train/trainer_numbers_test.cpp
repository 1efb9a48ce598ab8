// SPDX-License-Identifier: Apache-2.0
// A whole run against one in double precision: batches, masks, accumulation, clipping, schedule, decay,
// update and evaluation, in the way that the trainer puts them together.

#include <cmath>
#include <map>
#include <numbers>

#include <gtest/gtest.h>

#include "libs/model/initialization.h"
#include "tests/libs/train/train_testing.h"
#include "tests/support/matchers.h"
#include "tests/support/reference_gpt2.h"
#include "tests/support/scalar_adamw.h"

namespace pretrain {
namespace {

using test::steps_only;
using test::TestRun;

/// What the reference run is told: the same numbers as the trainer, written once more.
struct Plan {
  uint64_t steps = 6, accumulate = 2, warmup = 2, evaluate_every = 3;
  double peak = 0.02, final_share = 0.25;
  double beta1 = 0.8, beta2 = 0.9, decay = 0.4, clip = 0.7;
  // Large: some gradients are zero but for rounding, and Adam makes steps of the peak's size out of these.
  double epsilon = 1e-3;

  double rate(uint64_t step) const {
    if (step <= warmup) return peak * static_cast<double>(step) / static_cast<double>(warmup);
    const double done = static_cast<double>(step - warmup) / static_cast<double>(steps - warmup);
    return peak * (final_share + (1 - final_share) * 0.5 * (1 + std::cos(std::numbers::pi * done)));
  }
  TrainerOptions options() const {
    TrainerOptions o = steps_only(steps);
    o.accumulate = static_cast<uint32_t>(accumulate);
    o.schedule = {.kind = ScheduleKind::kCosine,
                  .peak = peak,
                  .final_share = final_share,
                  .warmup_steps = warmup,
                  .total_steps = steps};
    o.optimizer = {.weight_decay = decay,
                   .gradient_clip = clip,
                   .adamw = {.beta1 = beta1, .beta2 = beta2, .epsilon = epsilon}};
    o.evaluate_every = evaluate_every;
    return o;
  }
};

/// The run that TestRun makes, in double precision.
class ReferenceRun {
 public:
  ReferenceRun(const TestRun& run, const Plan& plan) : run_(run), plan_(plan), layout_(run.model) {
    Compute compute(1);
    Buffer<float> start(layout_.flat_size());
    initialize_parameters(compute, layout_, 1, start.data());
    parameters_.assign(start.data(), start.data() + start.size());
    for (const double p : parameters_) states_.push_back({.p = p});
  }

  /// One step: its loss and its norm before clipping.
  struct Step {
    double loss = 0, norm = 0;
  };
  Step step() {
    Step step;
    std::vector<double> gradients(layout_.flat_size());
    double targets = 0;
    for (uint64_t i = 0; i < plan_.accumulate; ++i) {
      const Batch batch = test::random_batch(run_.model, run_.source.rows, next_batch_++);
      const auto part =
          test::reference_gradients(run_.model, layout_, parameters_, batch.inputs, batch.targets);
      for (size_t k = 0; k < part.size(); ++k) gradients[k] += part[k];
      step.loss += test::reference_loss(run_.model, layout_, parameters_, batch.inputs, batch.targets);
      targets += static_cast<double>(batch.target_count);
    }
    step.loss /= targets;
    for (double& g : gradients) step.norm += std::pow(g /= targets, 2);
    step.norm = std::sqrt(step.norm);
    update(gradients, step.norm > plan_.clip ? plan_.clip / step.norm : 1);
    return step;
  }

  double validation_loss() const {
    const EvaluationData& data = run_.evaluation;
    return test::reference_loss(run_.model, layout_, parameters_, data.inputs, data.targets) /
           static_cast<double>(data.target_count);
  }

  const ParameterLayout& layout() const { return layout_; }
  const std::vector<double>& parameters() const { return parameters_; }

 private:
  void update(const std::vector<double>& gradients, double scale) {
    ++updates_;
    for (const ParameterInfo& tensor : layout_.tensors()) {
      const bool decays = tensor.shape.size() == 2 && tensor.name != "transformer.wpe.weight";
      for (size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
        states_[i].update(static_cast<int>(updates_), scale * gradients[i], plan_.rate(updates_),
                          decays ? plan_.decay : 0, {plan_.beta1, plan_.beta2, plan_.epsilon});
        parameters_[i] = states_[i].p;
      }
    }
  }

  const TestRun& run_;
  const Plan plan_;
  ParameterLayout layout_;
  std::vector<double> parameters_;
  std::vector<test::ScalarAdamW> states_;
  uint64_t next_batch_ = 0;
  uint64_t updates_ = 0;
};

std::map<uint64_t, double> validation_losses(const TestRun& run) {
  std::map<uint64_t, double> losses;
  for (const auto& record : run.log()) {
    if (record.contains("validation_loss")) losses[record.at("step")] = record.at("validation_loss");
  }
  return losses;
}

void expect_same_parameters(const TestRun& run, const ReferenceRun& expected) {
  for (const ParameterInfo& tensor : expected.layout().tensors()) {
    const auto actual = std::span(run.parameters()).subspan(tensor.offset, tensor.size);
    EXPECT_TRUE(
        test::all_close(actual, std::span(expected.parameters()).subspan(tensor.offset, tensor.size), 2e-4))
        << tensor.name;
  }
}

TEST(TrainerNumbers, FollowARunInDoublePrecision) {
  const Plan plan;
  TestRun run;
  run.threads = 2;
  run.train(plan.options());
  ReferenceRun expected(run, plan);
  std::map<uint64_t, double> expected_losses{{0, expected.validation_loss()}};
  ASSERT_EQ(run.observer.steps.size(), plan.steps);
  uint64_t clipped = 0;
  for (const StepRecord& record : run.observer.steps) {
    SCOPED_TRACE(record.step);
    const ReferenceRun::Step step = expected.step();
    EXPECT_NEAR(record.loss, step.loss, 1e-5 * step.loss);
    EXPECT_NEAR(record.gradient_norm, step.norm, 1e-4 * step.norm);
    EXPECT_NEAR(record.learning_rate, plan.rate(record.step), 1e-12);
    clipped += step.norm > plan.clip;
    if (record.step % plan.evaluate_every == 0) expected_losses[record.step] = expected.validation_loss();
  }
  expect_same_parameters(run, expected);
  EXPECT_GT(clipped, 0U);
  EXPECT_LT(clipped, plan.steps);
  const auto losses = validation_losses(run);
  ASSERT_EQ(losses.size(), expected_losses.size());
  for (const auto& [step, loss] : losses)
    EXPECT_NEAR(loss, expected_losses.at(step), 1e-5 * loss) << "evaluation of step " << step;
}

TEST(TrainerNumbers, AreTheSameWhenTheRunIsResumed) {
  const Plan plan;
  TestRun run;
  TrainerOptions options = plan.options();
  for (const uint64_t steps : {1U, 2U, 4U, 6U}) {
    options.max_steps = steps;
    run.train(options);
  }
  ReferenceRun expected(run, plan);
  for (uint64_t step = 0; step < plan.steps; ++step) expected.step();
  expect_same_parameters(run, expected);
}

}  // namespace
}  // namespace pretrain
