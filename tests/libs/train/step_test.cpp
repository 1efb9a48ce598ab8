// SPDX-License-Identifier: Apache-2.0
#include "libs/train/step.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "libs/base/rng.h"
#include "libs/model/initialization.h"
#include "tests/libs/train/train_testing.h"
#include "tests/support/matchers.h"
#include "tests/support/reference_gpt2.h"

namespace pretrain {
namespace {

using test::joined;
using test::random_batch;

constexpr double kBound = 1e-5;  // sums in another order, over a few hundred terms

struct Outcome {
  StepResult result;
  std::vector<float> gradients;
};

/// One model and what is needed to get gradients of it.
struct Problem {
  explicit Problem(int threads = 1) : compute(threads), layout(config), parameters(layout.flat_size()) {
    initialize_parameters(compute, layout, 3, parameters.data());
    for (size_t i = 0; i < parameters.size(); ++i)
      parameters[i] *= 5;  // gradients that differ from row to row
  }
  /// Of a pass that has made the step of `before` before.
  Outcome run(const std::vector<Batch>& batches, int64_t micro_rows, const std::vector<Batch>& before = {},
              uint32_t slots = 1) {
    Transformer model(compute, {config, micro_rows});
    model.use_parameters(parameters.data());
    GradientPass pass(compute, model, slots);
    if (!before.empty()) pass.run(before);
    const StepResult result = pass.run(batches);
    return {.result = result, .gradients = {pass.gradients(), pass.gradients() + layout.flat_size()}};
  }
  void expect_close(const Outcome& actual, const Outcome& expected) const {
    EXPECT_NEAR(actual.result.loss, expected.result.loss, kBound * expected.result.loss);
    EXPECT_NEAR(actual.result.gradient_norm, expected.result.gradient_norm,
                kBound * expected.result.gradient_norm);
    EXPECT_EQ(actual.result.targets, expected.result.targets);
    for (const ParameterInfo& t : layout.tensors()) {
      const std::span a(actual.gradients.data() + t.offset, t.size);
      EXPECT_TRUE(test::all_close(a, std::span(expected.gradients.data() + t.offset, t.size), kBound))
          << t.name;
    }
  }

  ModelConfig config = test::tiny_model();
  Compute compute;
  ParameterLayout layout;
  Buffer<float> parameters;
};

TEST(GradientPass, APaddedLastMicroBatchGivesTheSameGradient) {
  Problem p;
  const std::vector<Batch> batch{random_batch(p.config, 5, 1)};
  const Outcome exact = p.run(batch, 5);
  for (const int64_t micro_rows : {1, 2, 3, 4, 7}) {
    SCOPED_TRACE(micro_rows);
    p.expect_close(p.run(batch, micro_rows), exact);
  }
}

TEST(GradientPass, TwoAccumulatedBatchesGiveTheGradientOfBothAtOnce) {
  Problem p;
  const Batch a = random_batch(p.config, 2, 1, 0);
  const Batch b =
      random_batch(p.config, 2, 2, 2);  // half as many targets: the mean is over targets, not batches
  p.expect_close(p.run({a, b}, 2), p.run({joined(a, b)}, 4));
}

TEST(GradientPass, TheLossIsTheMeanOverTheTargetsThatCount) {
  Problem p;
  const Batch batch = random_batch(p.config, 3, 1, 3);
  ASSERT_LT(batch.target_count, batch.targets.size());
  const std::vector<double> parameters(p.parameters.data(), p.parameters.data() + p.parameters.size());
  const double expected = test::reference_loss(p.config, p.layout, parameters, batch.inputs, batch.targets) /
                          static_cast<double>(batch.target_count);
  const StepResult result = p.run({batch}, 2).result;
  EXPECT_NEAR(result.loss, expected, kBound * expected);
  EXPECT_EQ(result.targets, batch.target_count);
}

TEST(GradientPass, WhatIsMaskedDoesNotMatter) {
  Problem p;
  Batch batch = random_batch(p.config, 3, 1, 0);
  const auto from = batch.targets.begin() + 2 * p.config.context;
  std::fill(from, batch.targets.end(), -1);  // the whole last row
  finish_batch(batch);
  const Outcome before = p.run({batch}, 3);
  std::fill(batch.inputs.begin() + 2 * p.config.context, batch.inputs.end(), 7U);
  p.expect_close(p.run({batch}, 3), before);
}

TEST(GradientPass, WithoutATargetTheGradientIsZero) {
  Problem p;
  Batch batch = random_batch(p.config, 3, 1);
  std::fill(batch.targets.begin(), batch.targets.end(), -1);
  finish_batch(batch);
  const Outcome outcome = p.run({batch}, 2, {random_batch(p.config, 3, 2)});
  EXPECT_EQ(outcome.result.loss, 0);
  EXPECT_EQ(outcome.result.gradient_norm, 0);
  EXPECT_TRUE(outcome.result.finite);
  EXPECT_EQ(outcome.gradients, std::vector<float>(p.layout.flat_size()));
}

TEST(GradientPass, OverwritesTheGradientsOfTheStepBefore) {
  Problem p;
  const std::vector<Batch> batches{random_batch(p.config, 3, 1), random_batch(p.config, 3, 2)};
  EXPECT_EQ(p.run(batches, 2, {random_batch(p.config, 4, 3)}).gradients, p.run(batches, 2).gradients);
}

TEST(GradientPass, TheNormIsThatOfTheGradients) {
  Problem p;
  const Outcome outcome = p.run({random_batch(p.config, 3, 1)}, 2);
  double squares = 0;
  for (const float g : outcome.gradients) squares += static_cast<double>(g) * static_cast<double>(g);
  EXPECT_NEAR(outcome.result.gradient_norm, std::sqrt(squares), kBound * std::sqrt(squares));
}

TEST(GradientPass, ABadNumberInAnyTensorIsNoticed) {
  Problem p;
  const std::vector<Batch> batch{random_batch(p.config, 3, 1)};
  ASSERT_TRUE(p.run(batch, 2).result.finite);
  Rng rng(4);
  for (const ParameterInfo& tensor : p.layout.tensors()) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      const size_t at = tensor.offset + rng.below(tensor.size);
      const float kept = std::exchange(p.parameters[at], bad);
      EXPECT_FALSE(p.run(batch, 2).result.finite) << tensor.name << " " << at - tensor.offset << " " << bad;
      p.parameters[at] = kept;
    }
  }
}

TEST(GradientPass, DoesNotDependOnTheNumberOfThreads) {
  const tbb::global_control more_threads(tbb::global_control::max_allowed_parallelism, 8);
  Problem one(1), two(2), three(3);
  const std::vector<Batch> batch{random_batch(one.config, 40, 1)};
  for (const uint32_t slots : {1U, 3U}) {
    const Outcome expected = one.run(batch, 20, {}, slots);
    EXPECT_EQ(two.run(batch, 20, {}, slots).gradients, expected.gradients);
    EXPECT_EQ(three.run(batch, 20, {}, slots).gradients, expected.gradients);
  }
}

/// The gradient of rows [first, last) of the joined batches alone, divided by `targets` instead of their own.
std::vector<double> gradient_of_rows(Problem& p, const Batch& joined, RowRange rows, uint64_t targets) {
  Batch part{.rows = rows.size(), .context = joined.context};
  const auto context = joined.context;
  part.inputs.assign(joined.inputs.begin() + rows.first * context,
                     joined.inputs.begin() + rows.last * context);
  part.targets.assign(joined.targets.begin() + rows.first * context,
                      joined.targets.begin() + rows.last * context);
  finish_batch(part);
  const Outcome outcome = p.run({part}, 2);
  std::vector<double> gradient(outcome.gradients.begin(), outcome.gradients.end());
  for (double& g : gradient) g *= static_cast<double>(part.target_count) / static_cast<double>(targets);
  return gradient;
}

TEST(GradientPass, SlotsGiveTheGradientOfTheirRowsAddedInDoublePrecision) {
  Problem p;
  const Batch a = random_batch(p.config, 7, 1, 2), b = random_batch(p.config, 9, 2);
  const Batch both = joined(a, b);
  const Outcome expected = p.run({both}, 16);
  for (uint32_t slots = 1; slots <= 16; ++slots) {  // uneven ones, too: 16 rows
    SCOPED_TRACE(slots);
    const Outcome actual = p.run({a, b}, 3, {}, slots);
    p.expect_close(actual, expected);
    std::vector<double> sum(p.layout.flat_size());
    for (uint32_t slot = 0; slot < slots; ++slot) {
      const auto part = gradient_of_rows(p, both, rows_of_slot(16, slots, slot), both.target_count);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
    }
    for (const ParameterInfo& t : p.layout.tensors()) {
      const std::vector<float> wanted(sum.begin() + static_cast<int64_t>(t.offset),
                                      sum.begin() + static_cast<int64_t>(t.offset + t.size));
      EXPECT_TRUE(test::all_close(std::span(actual.gradients.data() + t.offset, t.size), wanted, kBound))
          << t.name;
    }
  }
}

TEST(GradientPass, OneSlotHasTheBitsOfARunWithoutSlots) {
  Problem p;
  const std::vector<Batch> batches{random_batch(p.config, 5, 1), random_batch(p.config, 4, 2)};
  EXPECT_EQ(p.run(batches, 2, {}, 1).gradients, p.run(batches, 2).gradients);
  EXPECT_NE(p.run(batches, 2, {}, 4).gradients, p.run(batches, 2).gradients);  // rounded elsewhere
}

}  // namespace
}  // namespace pretrain
