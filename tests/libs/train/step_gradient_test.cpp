// SPDX-License-Identifier: Apache-2.0
#include "libs/train/step_gradient.h"

#include <bit>
#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "libs/base/rng.h"

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

constexpr size_t kElements = 61;  // a larger array repeats them

/// Terms with full mantissas, of many sizes and both signs, so that each order of additions rounds most
/// elements to another sum.
std::vector<float> awkward_terms(uint32_t slots, size_t element) {
  std::vector<float> terms;
  for (uint32_t slot = 0; slot < slots; ++slot) {
    Rng rng(slot * kElements + element);
    const auto mantissa = static_cast<float>(rng.below(1U << 24)) / static_cast<float>(1U << 23) - 1.0F;
    terms.push_back(std::ldexp(mantissa, static_cast<int>(rng.below(7))));
  }
  return terms;
}

TEST(StepGradient, AddsSlotsInTheFixedTree) {
  Compute compute(2);
  constexpr size_t kBeyondOneTask = 65536 + 3;
  for (uint32_t slots = 1; slots <= 16; ++slots) {
    std::vector<std::vector<float>> terms;
    for (size_t element = 0; element < kElements; ++element) terms.push_back(awkward_terms(slots, element));
    std::vector<float> expected(kBeyondOneTask);
    for (size_t i = 0; i < kBeyondOneTask; ++i)
      expected[i] = i < kElements ? sum_of_tree(terms[i], 0, slots) : expected[i % kElements];
    StepGradient gradient(kBeyondOneTask, slots);
    gradient.begin();
    for (uint32_t slot = 0; slot < slots; ++slot) {
      const StepGradient::Place place = gradient.next();
      for (size_t i = 0; i < kBeyondOneTask; ++i) place.gradients[i] = terms[i % kElements][slot];
      gradient.end_slot(compute);
    }
    gradient.finish(compute);
    EXPECT_EQ(values_of(gradient), expected) << slots << " slots";
  }
}

TEST(StepGradient, TheTermsOfTheTestTellOrdersApart) {
  for (uint32_t slots = 4; slots <= 16; ++slots) {  // ((0 1) 2) is one after the other
    int different = 0;
    for (size_t element = 0; element < kElements; ++element) {
      const std::vector<float> terms = awkward_terms(slots, element);
      const float one_by_one = std::accumulate(terms.begin(), terms.end(), 0.0F);
      different += sum_of_tree(terms, 0, slots) != one_by_one ? 1 : 0;
    }
    EXPECT_GT(different, 10) << slots << " slots";
  }
}

}  // namespace
}  // namespace pretrain
