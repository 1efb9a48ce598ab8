// SPDX-License-Identifier: Apache-2.0
#include "libs/optim/optimizer_set.h"

#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/libs/optim/optim_testing.h"
#include "tests/support/sgd.h"

namespace pretrain {
namespace {

using test::random_values;
using test::Sgd;

/// One group each for the tensors that decay and for the others.
std::vector<ParameterGroup> two_groups(const ParameterLayout& layout) {
  std::vector<ParameterGroup> groups(2);
  for (const ParameterInfo& tensor : layout.tensors())
    groups[tensor.decays ? 0 : 1].tensors.push_back(tensor);
  return groups;
}

template <typename Kind, typename... Options>
Optimizers one(const std::vector<ParameterGroup>& groups, const Options&... options) {
  Optimizers optimizers;
  optimizers.push_back(std::make_unique<Kind>(groups, options...));
  return optimizers;
}

/// The parameters after three updates.
std::vector<float> trained(const ParameterLayout& layout, Optimizers optimizers) {
  Compute compute(2);
  OptimizerSet set(compute, layout, std::move(optimizers));
  std::vector<float> parameters = random_values(layout, 1);
  for (uint64_t t = 0; t < 3; ++t)
    set.update({.learning_rate = 0.01, .gradient_scale = 0.5}, random_values(layout, 10 + t).data(),
               parameters.data());
  EXPECT_EQ(set.updates(), 3U);
  return parameters;
}

TEST(OptimizerSet, GroupsHaveTheirOwnDecayAndRate) {
  Compute compute(1);
  const ParameterLayout layout(test::kTinyModel);
  std::vector<ParameterGroup> groups = two_groups(layout);
  groups[0].weight_decay = 0.5;
  groups[1].rate_scale = 4;
  OptimizerSet set(compute, layout, one<Sgd>(groups, 0.0F));
  std::vector<float> parameters(layout.flat_size(), 2.0F);
  const std::vector<float> gradients(layout.flat_size(), 1.0F);
  set.update({.learning_rate = 0.125, .gradient_scale = 0.5}, gradients.data(), parameters.data());
  for (const ParameterInfo& tensor : layout.tensors()) {
    // 2 - 0.125 (0.5 + 0.5 * 2), and 2 - 4 * 0.125 * 0.5
    const float expected = tensor.decays ? 1.8125F : 1.75F;
    for (size_t i = 0; i < tensor.size; ++i)
      ASSERT_EQ(parameters[tensor.offset + i], expected) << tensor.name;
  }
}

TEST(OptimizerSet, EachGroupOfAdamWHasItsOwnRate) {
  const ParameterLayout layout(test::kTinyModel);
  std::vector<ParameterGroup> groups = two_groups(layout);
  const std::vector<float> plain = trained(layout, one<AdamW>(groups, AdamWOptions()));
  groups[0].rate_scale = 0;
  const std::vector<float> held = trained(layout, one<AdamW>(groups, AdamWOptions()));
  const std::vector<float> start = random_values(layout, 1);
  for (const ParameterInfo& tensor : layout.tensors()) {
    const std::vector<float>& expected = tensor.decays ? start : plain;
    for (size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i)
      ASSERT_EQ(held[i], expected[i]) << tensor.name;
    EXPECT_NE(plain[tensor.offset], start[tensor.offset]) << tensor.name;
  }
}

TEST(OptimizerSet, AnotherOptimizerOfAGroupChangesNothingElsewhere) {
  const ParameterLayout layout(test::kTinyModel);
  std::vector<ParameterGroup> groups = two_groups(layout);
  groups[0].weight_decay = 0.25;  // as sgd_and_adamw() has them
  groups[0].rate_scale = 2;
  const std::vector<float> mixed = trained(layout, test::sgd_and_adamw(layout, 0.5F));
  const std::vector<float> sgd = trained(layout, one<Sgd>(groups, 0.5F));
  const std::vector<float> adamw = trained(layout, one<AdamW>(groups, AdamWOptions()));
  for (const ParameterInfo& tensor : layout.tensors()) {
    const std::vector<float>& expected = tensor.decays ? sgd : adamw;
    for (size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i)
      ASSERT_EQ(mixed[i], expected[i]) << tensor.name;
    EXPECT_NE(sgd[tensor.offset], adamw[tensor.offset]) << tensor.name;
  }
}

std::vector<std::string> state_names(const Optimizers& optimizers) {
  std::vector<std::string> names;
  for (const auto& optimizer : optimizers) {
    for (const StateTensor& tensor : optimizer->state_tensors()) names.push_back(tensor.name);
  }
  return names;
}

TEST(OptimizerSet, KeepsTwoMomentsOfEachTensorInTheirOrder) {
  const ParameterLayout layout(test::kTinyModel);
  std::vector<std::string> expected;
  for (const char* kind : {"m", "v"}) {
    for (const ParameterInfo& tensor : layout.tensors())
      expected.push_back(fmt::format("{}.{}", kind, tensor.name));
  }
  EXPECT_EQ(state_names(make_optimizers(layout, {})), expected);
}

TEST(OptimizerSet, KeepsWhatEachOptimizerNames) {
  const ParameterLayout layout(test::kTinyModel);
  const std::vector<std::string> names = state_names(test::sgd_and_adamw(layout, 0.5F));
  std::set<std::string> expected;
  for (const ParameterInfo& tensor : layout.tensors()) {
    if (tensor.decays) {
      expected.insert(fmt::format("momentum.{}", tensor.name));
    } else {
      expected.insert(fmt::format("m.{}", tensor.name));
      expected.insert(fmt::format("v.{}", tensor.name));
    }
  }
  EXPECT_EQ(std::set(names.begin(), names.end()), expected);
  EXPECT_EQ(names.size(), expected.size());
}

TEST(OptimizerSet, AnOptimizerMayKeepNothing) {
  Compute compute(1);
  const ParameterLayout layout(test::kTinyModel);
  Optimizers optimizers = one<Sgd>(two_groups(layout), 0.0F);
  EXPECT_EQ(optimizer_state_bytes(optimizers), 0U);
  EXPECT_EQ(optimizer_memory_bytes(optimizers, 4), 0U);
  const OptimizerSet set(compute, layout, std::move(optimizers));
  EXPECT_TRUE(set.state().empty());
}

TEST(OptimizerSet, TheStateStartsAsZerosOfTheShapesNamed) {
  Compute compute(1);
  const ParameterLayout layout(test::kTinyModel);
  const OptimizerSet set(compute, layout, test::sgd_and_adamw(layout, 0.5F));
  for (const OptimizerSet::State& state : set.state()) {
    const std::string parameter = state.tensor.name.substr(state.tensor.name.find('.') + 1);
    ASSERT_NE(layout.find(parameter), nullptr) << parameter;
    EXPECT_EQ(state.tensor.shape, layout.find(parameter)->shape) << parameter;
    EXPECT_EQ(state.values.size(), layout.find(parameter)->size) << parameter;
    for (const float value : state.values) ASSERT_EQ(value, 0) << parameter;
  }
}

TEST(OptimizerSetDeathTest, EachTensorNeedsExactlyOneOptimizer) {
  Compute compute(1);
  const ParameterLayout layout(test::kTinyModel);
  std::vector<ParameterGroup> groups = two_groups(layout);
  const ParameterInfo last = groups[0].tensors.back();
  groups[0].tensors.pop_back();
  EXPECT_DEATH(OptimizerSet(compute, layout, one<Sgd>(groups, 0.0F)), last.name + " has 0 optimizers");
  groups[0].tensors.push_back(last);
  groups[1].tensors.push_back(last);
  EXPECT_DEATH(OptimizerSet(compute, layout, one<Sgd>(groups, 0.0F)), last.name + " has 2 optimizers");
}

}  // namespace
}  // namespace pretrain
