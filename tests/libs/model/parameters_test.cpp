#include "libs/model/parameters.h"

#include <cmath>

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

TEST(Initialization, DependsOnTheSeedAndNotOnThreads) {
  const Buffer<float> a = initialized(3, 1);
  const Buffer<float> b = initialized(3, 2);
  const Buffer<float> c = initialized(4, 1);
  EXPECT_TRUE(std::equal(a.span().begin(), a.span().end(), b.span().begin()));
  EXPECT_FALSE(std::equal(a.span().begin(), a.span().end(), c.span().begin()));
}

}  // namespace
}  // namespace pretrain
