// SPDX-License-Identifier: Apache-2.0
#include "libs/train/step_gradient.h"

#include <bit>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

constexpr size_t kSize = 37;

/// A backward pass whose gradient is `value` everywhere.
void add(StepGradient& gradient, float value) {
  const StepGradient::Place place = gradient.next();
  for (size_t i = 0; i < gradient.size(); ++i)
    place.gradients[i] = (place.accumulate ? place.gradients[i] : 0) + value;
}

std::vector<float> values_of(const StepGradient& gradient) {
  return {gradient.values(), gradient.values() + gradient.size()};
}

/// A step of one slot with these micro-batches.
void run_step(StepGradient& gradient, Compute& compute, const std::vector<float>& micro_batches) {
  gradient.begin();
  for (const float value : micro_batches) add(gradient, value);
  gradient.end_slot(compute);
  gradient.finish(compute);
}

TEST(StepGradient, IsTheSumOfItsMicroBatches) {
  Compute compute(1);
  StepGradient gradient(kSize);
  run_step(gradient, compute, {1, 2, 4});
  EXPECT_EQ(values_of(gradient), std::vector<float>(kSize, 7.0F));
}

TEST(StepGradient, TheFirstMicroBatchReplacesTheStepBefore) {
  Compute compute(1);
  StepGradient gradient(kSize);
  for (const float value : {5.0F, 3.0F}) {
    run_step(gradient, compute, {value});
    EXPECT_EQ(values_of(gradient), std::vector<float>(kSize, value));
  }
}

TEST(StepGradient, LossesAreThoseOfTheStep) {
  Compute compute(1);
  StepGradient gradient(kSize, 2);
  gradient.begin();
  gradient.add_loss(0.5);
  gradient.add_loss(0.25);
  gradient.end_slot(compute);
  gradient.add_loss(1);
  gradient.end_slot(compute);
  EXPECT_EQ(gradient.finish(compute), 1.75);
  gradient.begin();
  gradient.add_loss(2);
  gradient.end_slot(compute);
  EXPECT_EQ(gradient.finish(compute), 2);
}

TEST(StepGradient, IsZeroWithoutAMicroBatch) {
  Compute compute(1);
  StepGradient gradient(kSize);
  EXPECT_EQ(values_of(gradient), std::vector<float>(kSize));
  run_step(gradient, compute, {3});
  run_step(gradient, compute, {});
  EXPECT_EQ(values_of(gradient), std::vector<float>(kSize));
  run_step(gradient, compute, {3});
  gradient.begin();
  EXPECT_EQ(gradient.finish(compute), 0);
  EXPECT_EQ(values_of(gradient), std::vector<float>(kSize));
}

TEST(StepGradient, ASlotWithoutAMicroBatchAddsNothing) {
  Compute compute(1);
  StepGradient gradient(kSize, 4);
  for (const float value : {9.0F, 3.0F}) {  // twice: nothing is left of the first step
    gradient.begin();
    for (int slot = 0; slot < 4; ++slot) {
      if (slot == 2) add(gradient, value);
      gradient.end_slot(compute);
    }
    gradient.finish(compute);
    EXPECT_EQ(values_of(gradient), std::vector<float>(kSize, value));
  }
}

/// The sum of slots [first, last), by the definition of the tree: split at the largest power of two below the
/// number of slots.
float sum_of_tree(const std::vector<float>& slots, size_t first, size_t last) {
  if (last - first == 1) return slots[first];
  const size_t left = std::bit_floor(last - first - 1);
  return sum_of_tree(slots, first, first + left) + sum_of_tree(slots, first + left, last);
}

/// Terms of many sizes and both signs, so that each order of additions rounds to another sum.
std::vector<float> awkward_terms(size_t count) {
  std::vector<float> terms;
  for (size_t i = 0; i < count; ++i) {
    const float size = std::pow(3.7F, static_cast<float>(i * 5 % 7) - 3.0F);
    terms.push_back((i % 3 == 1 ? -1.0F : 1.0F) * (1.0F + static_cast<float>(i) / 13.0F) * size);
  }
  return terms;
}

TEST(StepGradient, AddsSlotsInTheFixedTree) {
  Compute compute(2);
  constexpr size_t kBeyondOneTask = 65536 + 3;
  for (uint32_t slots = 1; slots <= 16; ++slots) {
    const std::vector<float> terms = awkward_terms(slots);
    StepGradient gradient(kBeyondOneTask, slots);
    gradient.begin();
    for (const float term : terms) {
      add(gradient, term);
      gradient.end_slot(compute);
    }
    gradient.finish(compute);
    EXPECT_EQ(values_of(gradient), std::vector<float>(kBeyondOneTask, sum_of_tree(terms, 0, slots)))
        << slots << " slots";
  }
}

TEST(StepGradient, TheTreeOfTheTestTellsOrdersApart) {
  for (uint32_t slots = 3; slots <= 16; ++slots) {
    const std::vector<float> terms = awkward_terms(slots);
    float one_by_one = 0;
    for (const float term : terms) one_by_one += term;
    if (slots != 3) {  // ((0 1) 2) is one after the other
      EXPECT_NE(sum_of_tree(terms, 0, slots), one_by_one) << slots;
    }
  }
}

}  // namespace
}  // namespace pretrain
