// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/adamw_kernel.h"

#include <gtest/gtest.h>

#include "tests/libs/tensor/kernel_testing.h"
#include "tests/support/scalar_adamw.h"

namespace pretrain {
namespace {

using test::Guarded;
using test::normal_values;
using test::ScalarAdamW;

constexpr double kLearningRate = 0.02;
constexpr double kScale = 0.5;

AdamWStep step_number(int t) {
  return {.learning_rate = static_cast<float>(kLearningRate),
          .beta1 = 0.9F,
          .beta2 = 0.99F,
          .inverse_correction1 = static_cast<float>(1 / (1 - std::pow(0.9, t))),
          .inverse_correction2 = static_cast<float>(1 / (1 - std::pow(0.99, t))),
          .epsilon = 1e-8F,
          .gradient_scale = static_cast<float>(kScale)};
}

void check_against_scalar(size_t count, double weight_decay, bool cautious = false) {
  SCOPED_TRACE(testing::Message() << count << " parameters, decay " << weight_decay << ", " << cautious);
  Guarded parameter(normal_values(count, 1), 1);
  Guarded m(std::vector<float>(count), 2);
  Guarded v(std::vector<float>(count), 3);
  std::vector<ScalarAdamW> expected;
  for (const float p : parameter.copy()) expected.push_back({.p = static_cast<double>(p)});
  for (int t = 1; t <= 6; ++t) {
    const Guarded gradient(normal_values(count, static_cast<uint64_t>(10 + t)), 1);
    AdamWStep step = step_number(t);
    step.cautious_decay = cautious;
    adamw_update(step, static_cast<float>(weight_decay), count, gradient.data(), parameter.data(), m.data(),
                 v.data());
    for (size_t i = 0; i < count; ++i) {
      expected[i].update(t, kScale * static_cast<double>(gradient.data()[i]), kLearningRate, weight_decay,
                         {.cautious_decay = cautious});
    }
  }
  for (size_t i = 0; i < count; ++i) {
    // beta1 and beta2 rounded to float change 1 - beta by 1e-6 of it at most; the rest are rounding errors.
    EXPECT_NEAR(static_cast<double>(m.data()[i]), expected[i].m, 1e-6) << i;
    EXPECT_NEAR(static_cast<double>(v.data()[i]), expected[i].v, 1e-6) << i;
    EXPECT_NEAR(static_cast<double>(parameter.data()[i]), expected[i].p, 2e-6) << i;
  }
  EXPECT_TRUE(parameter.intact() && m.intact() && v.intact());
}

TEST(AdamWKernel, AgreesWithAScalarVersionOverSeveralSteps) {
  test::for_each_target([] {
    for (const size_t count : {1U, 3U, 7U, 8U, 9U, 15U, 16U, 17U, 33U, 100U}) {
      check_against_scalar(count, 0.0);
      check_against_scalar(count, 0.1);
      check_against_scalar(count, 0.1, true);
    }
  });
}

/// Gradients around epsilon, where it decides how far a parameter goes, and whether it is added after the
/// root.
TEST(AdamWKernel, EpsilonIsAddedToTheRoot) {
  test::for_each_target([] {
    constexpr size_t kCount = 19;  // vectors and a rest
    std::vector<float> gradient(kCount), parameter(kCount), m(kCount), v(kCount);
    for (size_t i = 0; i < kCount; ++i) gradient[i] = 1e-10F * std::pow(2.0F, static_cast<float>(i));
    adamw_update(step_number(1), 0, kCount, gradient.data(), parameter.data(), m.data(), v.data());
    for (size_t i = 0; i < kCount; ++i) {
      ScalarAdamW expected{.p = 0};
      expected.update(1, kScale * static_cast<double>(gradient[i]), kLearningRate, 0);
      EXPECT_NEAR(static_cast<double>(parameter[i]), expected.p, 1e-5 * std::abs(expected.p)) << gradient[i];
    }
  });
}

TEST(AdamWKernel, TheFirstStepHasTheSizeOfTheLearningRate) {
  std::vector<float> parameter{1, 1, 1}, m(3), v(3);
  const std::vector<float> gradient{1e-3F, -5, 100};
  adamw_update(step_number(1), 0, 3, gradient.data(), parameter.data(), m.data(), v.data());
  EXPECT_NEAR(parameter[0], 0.98F, 1e-6F);
  EXPECT_NEAR(parameter[1], 1.02F, 1e-6F);
  EXPECT_NEAR(parameter[2], 0.98F, 1e-6F);
}

TEST(AdamWKernel, ACautiousDecayLeavesOutWhatMovesAwayFromZero) {
  AdamWStep step = step_number(1);
  step.cautious_decay = true;
  std::vector<float> parameter{1, 1, -1, -1}, m(4), v(4);
  const std::vector<float> gradient{3, -3, 3, -3};
  adamw_update(step, 0.5F, 4, gradient.data(), parameter.data(), m.data(), v.data());
  EXPECT_NEAR(parameter[0], 0.97F, 1e-6F);
  EXPECT_NEAR(parameter[1], 1.02F, 1e-6F) << "not decayed";
  EXPECT_NEAR(parameter[2], -1.02F, 1e-6F) << "not decayed";
  EXPECT_NEAR(parameter[3], -0.97F, 1e-6F);
}

TEST(AdamWKernel, AZeroGradientOnlyDecays) {
  std::vector<float> parameter = normal_values(19, 1), m(19), v(19);
  const std::vector<float> before = parameter;
  const std::vector<float> gradient(19);
  adamw_update(step_number(1), 0.5F, 19, gradient.data(), parameter.data(), m.data(), v.data());
  for (size_t i = 0; i < 19; ++i) EXPECT_NEAR(parameter[i], before[i] * 0.99F, 1e-6F);
}

}  // namespace
}  // namespace pretrain
