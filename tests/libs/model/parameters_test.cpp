// SPDX-License-Identifier: Apache-2.0
#include "libs/model/parameters.h"

#include <array>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "libs/model/initialization.h"
#include "libs/tensor/buffer.h"

namespace pretrain {
namespace {

const ModelConfig kModel{
    .layers = 2, .d_model = 64, .heads = 4, .d_ff = 256, .vocabulary = 500, .context = 32};

Buffer<float> initialized(uint64_t seed, int threads) {
  Compute compute(threads);
  const ParameterLayout layout(kModel);
  Buffer<float> values(layout.flat_size());
  initialize_parameters(compute, layout, seed, values.data());
  return values;
}

TEST(ParameterLayout, TensorsDoNotOverlapAndCoverAllParameters) {
  const ParameterLayout layout(kModel);
  size_t end = 0;
  size_t total = 0;
  for (const ParameterInfo& t : layout.tensors()) {
    EXPECT_GE(t.offset, end) << t.name;
    EXPECT_EQ(t.offset % 16, 0U) << t.name;
    end = t.offset + t.size;
    total += t.size;
  }
  EXPECT_LE(end, layout.flat_size());
  EXPECT_EQ(total, layout.parameter_count());
  EXPECT_EQ(layout.find("transformer.h.1.mlp.c_proj.weight")->shape, (std::vector<int64_t>{256, 64}));
  EXPECT_EQ(layout.find("nothing"), nullptr);
}

TEST(ParameterLayout, BackwardPartsCoverTheArrayFromItsEnd) {
  const ParameterLayout layout(kModel);
  const std::vector<ElementRange>& parts = layout.backward_parts();
  ASSERT_EQ(parts.size(), 4U);  // the head, two layers, the embeddings
  size_t first = layout.flat_size();
  for (const ElementRange& part : parts) {
    EXPECT_EQ(part.last, first);
    EXPECT_LT(part.first, part.last);
    first = part.first;
  }
  EXPECT_EQ(first, 0U);
  EXPECT_EQ(parts[0].first, layout.find("transformer.ln_f.weight")->offset);
  EXPECT_EQ(parts[1].first, layout.find("transformer.h.1.ln_1.weight")->offset);
  EXPECT_EQ(parts[2].first, layout.find("transformer.h.0.ln_1.weight")->offset);
}

TEST(ParameterLayout, DecaysMatricesOnly) {
  const ParameterLayout layout(kModel);
  for (const ParameterInfo& t : layout.tensors()) {
    EXPECT_EQ(t.decays, t.shape.size() == 2 && t.name != "transformer.wpe.weight") << t.name;
  }
}

TEST(Initialization, FollowsGpt2) {
  const ParameterLayout layout(kModel);
  const Buffer<float> values = initialized(3, 1);
  for (const ParameterInfo& t : layout.tensors()) {
    double sum = 0;
    double squares = 0;
    for (size_t i = t.offset; i < t.offset + t.size; ++i) {
      sum += static_cast<double>(values[i]);
      squares += std::pow(static_cast<double>(values[i]), 2);
    }
    const auto n = static_cast<double>(t.size);
    const bool residual = t.name.ends_with("c_proj.weight");
    const double deviation = residual ? 0.02 / std::sqrt(4.0) : 0.02;
    if (t.initial_std > 0) {
      EXPECT_NEAR(std::sqrt(squares / n), deviation, 4 * deviation / std::sqrt(2 * n)) << t.name;
      EXPECT_NEAR(sum / n, 0, 4 * deviation / std::sqrt(n)) << t.name;
    } else {
      EXPECT_EQ(sum / n, t.name.find("ln_") != std::string::npos && t.name.ends_with("weight") ? 1.0 : 0.0)
          << t.name;
    }
  }
}

TEST(Initialization, OutputsMayStartAtZero) {
  Compute compute(1);
  const ParameterLayout layout(kModel);
  const Buffer<float> small = initialized(3, 1);
  Buffer<float> zero(layout.flat_size());
  initialize_parameters(compute, layout, 3, zero.data(), OutputStart::kZero);
  for (const ParameterInfo& t : layout.tensors()) {
    const bool is_output = t.name.ends_with("c_proj.weight");
    for (size_t i = t.offset; i < t.offset + t.size; ++i)
      ASSERT_EQ(zero[i], is_output ? 0.0F : small[i]) << t.name;
  }
}

/// Values of the random tensors in units of their deviation, rounded so that the same draw is the same
/// number.
std::vector<int> random_draws(const ParameterLayout& layout, const Buffer<float>& values) {
  std::vector<int> draws;
  for (const ParameterInfo& t : layout.tensors()) {
    for (size_t i = t.offset; t.initial_std > 0 && i < t.offset + t.size; ++i)
      draws.push_back(static_cast<int>(std::lround(1000 * values[i] / t.initial_std)));
  }
  return draws;
}

/// Several blocks of 16,384 values, which have seeds of their own, in one tensor.
const ModelConfig kManyBlocks{
    .layers = 2, .d_model = 64, .heads = 4, .d_ff = 512, .vocabulary = 1100, .context = 600};

TEST(Initialization, NoStretchOfValuesComesTwice) {
  Compute compute(2);
  const ParameterLayout layout(kManyBlocks);
  Buffer<float> values(layout.flat_size());
  initialize_parameters(compute, layout, 3, values.data());
  const std::vector<int> draws = random_draws(layout, values);
  std::set<std::array<int, 6>> stretches;  // from any place, in any tensor
  for (size_t i = 0; i + 6 <= draws.size(); ++i) {
    std::array<int, 6> stretch{};
    std::copy_n(draws.begin() + static_cast<int64_t>(i), 6, stretch.begin());
    ASSERT_TRUE(stretches.insert(stretch).second) << "the values from " << i << " on were there before";
  }
}

TEST(Initialization, IsNormallyDistributed) {
  Compute compute(2);
  const ParameterLayout layout(kManyBlocks);
  Buffer<float> values(layout.flat_size());
  initialize_parameters(compute, layout, 3, values.data());
  const std::vector<int> draws = random_draws(layout, values);
  const auto share_below = [&](double z) {
    return static_cast<double>(std::ranges::count_if(draws, [&](int d) { return d < 1000 * z; })) /
           static_cast<double>(draws.size());
  };
  for (const double z : {-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0}) {
    const double expected = 0.5 * std::erfc(-z / std::sqrt(2.0));
    const double deviation = std::sqrt(expected * (1 - expected) / static_cast<double>(draws.size()));
    EXPECT_NEAR(share_below(z), expected, 4 * deviation + 5e-4) << z;  // draws are rounded
  }
}

TEST(Initialization, OtherTensorsAndSizesDoNotChangeATensor) {
  Compute compute(1);
  const ParameterLayout small(kModel);
  const ParameterLayout large(kManyBlocks);
  Buffer<float> a(small.flat_size()), b(large.flat_size());
  initialize_parameters(compute, small, 3, a.data());
  initialize_parameters(compute, large, 3, b.data());
  for (const char* name : {"transformer.wte.weight", "transformer.wpe.weight",
                           "transformer.h.1.attn.c_attn.weight", "transformer.h.1.attn.c_proj.weight"}) {
    const ParameterInfo* in_small = small.find(name);
    const ParameterInfo* in_large = large.find(name);
    for (size_t i = 0; i < std::min(in_small->size, in_large->size); ++i)
      ASSERT_EQ(a[in_small->offset + i], b[in_large->offset + i]) << name << " " << i;
  }
}

TEST(Initialization, DependsOnTheSeedAndNotOnThreads) {
  const Buffer<float> a = initialized(3, 1);
  const Buffer<float> b = initialized(3, 2);
  const Buffer<float> c = initialized(4, 1);
  EXPECT_TRUE(std::equal(a.span().begin(), a.span().end(), b.span().begin()));
  EXPECT_FALSE(std::equal(a.span().begin(), a.span().end(), c.span().begin()));
}

}  // namespace
}  // namespace pretrain
