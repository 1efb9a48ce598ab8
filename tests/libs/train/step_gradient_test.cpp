// SPDX-License-Identifier: Apache-2.0
#include "libs/train/step_gradient.h"

#include <vector>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

constexpr size_t kSize = 37;

/// A backward pass whose gradient is `value` everywhere.
void add(StepGradient& gradient, float value) {
  const StepGradient::Place place = gradient.next();
  for (size_t i = 0; i < kSize; ++i) place.gradients[i] = (place.accumulate ? place.gradients[i] : 0) + value;
}

std::vector<float> values_of(const StepGradient& gradient) {
  return {gradient.values(), gradient.values() + gradient.size()};
}

TEST(StepGradient, IsTheSumOfItsMicroBatches) {
  StepGradient gradient(kSize);
  gradient.begin();
  for (const float value : {1.0F, 2.0F, 4.0F}) add(gradient, value);
  gradient.finish();
  EXPECT_EQ(values_of(gradient), std::vector<float>(kSize, 7.0F));
}

TEST(StepGradient, TheFirstMicroBatchReplacesTheStepBefore) {
  StepGradient gradient(kSize);
  for (const float value : {5.0F, 3.0F}) {
    gradient.begin();
    add(gradient, value);
    gradient.finish();
    EXPECT_EQ(values_of(gradient), std::vector<float>(kSize, value));
  }
}

TEST(StepGradient, LossesAreThoseOfTheStep) {
  StepGradient gradient(kSize);
  gradient.begin();
  gradient.add_loss(0.5);
  gradient.add_loss(0.25);
  EXPECT_EQ(gradient.finish(), 0.75);
  gradient.begin();
  gradient.add_loss(2);
  EXPECT_EQ(gradient.finish(), 2);
}

TEST(StepGradient, IsZeroWithoutAMicroBatch) {
  StepGradient gradient(kSize);
  EXPECT_EQ(values_of(gradient), std::vector<float>(kSize));
  gradient.begin();
  add(gradient, 3);
  gradient.finish();
  gradient.begin();
  EXPECT_EQ(gradient.finish(), 0);
  EXPECT_EQ(values_of(gradient), std::vector<float>(kSize));
}

}  // namespace
}  // namespace pretrain
