// SPDX-License-Identifier: Apache-2.0
#include "libs/model/generation.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "libs/model/initialization.h"
#include "libs/model/transformer.h"
#include "tests/support/matchers.h"

namespace pretrain {
namespace {

const ModelConfig kModel{
    .layers = 2, .d_model = 48, .heads = 4, .d_ff = 100, .vocabulary = 77, .context = 12};

struct Fixture {
  Fixture() : compute(2), layout(kModel), values(layout.flat_size()) {
    initialize_parameters(compute, layout, 9, values.data());
    for (float& value : values.span()) value *= 5;
  }
  Compute compute;
  ParameterLayout layout;
  Buffer<float> values;
};

std::vector<uint32_t> some_tokens(size_t count) {
  Rng rng(4);
  std::vector<uint32_t> tokens(count);
  for (uint32_t& token : tokens) token = static_cast<uint32_t>(rng.below(77));
  return tokens;
}

TEST(Generator, CachedLogitsAgreeWithTheTrainingForwardPass) {
  Fixture f;
  const std::vector<uint32_t> tokens = some_tokens(12);
  const std::vector<int32_t> targets(12, 0);
  Transformer model(f.compute, {kModel, 1, false});
  model.use_parameters(f.values.data());
  model.evaluate(tokens.data(), targets.data());
  std::vector<float> expected(12 * 77);
  model.logits(expected.data());
  Generator generator(f.compute, kModel, f.layout, f.values.data());
  for (size_t t = 0; t < tokens.size(); ++t) {
    const std::span<const float> logits = generator.feed(tokens[t]);
    EXPECT_TRUE(test::all_close(logits, std::span(expected).subspan(t * 77, 77), 1e-4)) << t;
  }
}

TEST(Generator, KeepsTheRecentHalfWhenTheContextIsFull) {
  Fixture f;
  const std::vector<uint32_t> tokens = some_tokens(13);
  Generator full(f.compute, kModel, f.layout, f.values.data());
  std::span<const float> logits;
  for (const uint32_t token : tokens) logits = full.feed(token);
  Generator recent(f.compute, kModel, f.layout, f.values.data());
  std::span<const float> expected;
  for (size_t t = 6; t < tokens.size(); ++t) expected = recent.feed(tokens[t]);
  EXPECT_TRUE(test::all_close(logits, expected, 1e-6));
}

TEST(Sampling, TemperatureZeroTakesTheMostLikely) {
  Rng rng(1);
  const std::vector<float> logits{0.1F, 2.0F, 1.9F};
  EXPECT_EQ(sample_token(logits, {.temperature = 0}, rng), 1U);
}

TEST(Sampling, TopKAndTopPCutTheTail) {
  Rng rng(1);
  const std::vector<float> logits{3.0F, 2.9F, -1.0F, -1.0F};
  for (int i = 0; i < 200; ++i) {
    EXPECT_LT(sample_token(logits, {.top_k = 2}, rng), 2U);
    EXPECT_LT(sample_token(logits, {.top_p = 0.9}, rng), 2U);
  }
}

TEST(Sampling, ATemperatureDividesTheLogits) {
  const std::vector<float> logits{0.0F, std::log(3.0F)};
  for (const double temperature : {0.5, 2.0}) {
    Rng rng(7);
    int ones = 0;
    for (int i = 0; i < 4000; ++i)
      ones += sample_token(logits, {.temperature = temperature}, rng) == 1 ? 1 : 0;
    const double odds = std::pow(3.0, 1 / temperature);
    EXPECT_NEAR(ones / 4000.0, odds / (1 + odds), 0.03) << temperature;
  }
}

TEST(Sampling, TopPKeepsTheFewestThatReachTheShare) {
  // Shares of 0.5, 0.3 and 0.2.
  const std::vector<float> logits{std::log(0.2F), std::log(0.5F), std::log(0.3F)};
  const auto kept = [&](double top_p) {
    Rng rng(3);
    std::set<uint32_t> tokens;
    for (int i = 0; i < 500; ++i) tokens.insert(sample_token(logits, {.top_p = top_p}, rng));
    return tokens;
  };
  EXPECT_EQ(kept(0.01), (std::set<uint32_t>{1}));
  EXPECT_EQ(kept(0.49), (std::set<uint32_t>{1}));
  EXPECT_EQ(kept(0.51), (std::set<uint32_t>{1, 2}));
  EXPECT_EQ(kept(0.79), (std::set<uint32_t>{1, 2}));
  EXPECT_EQ(kept(0.81), (std::set<uint32_t>{0, 1, 2}));
  EXPECT_EQ(kept(1.0), (std::set<uint32_t>{0, 1, 2}));
}

TEST(Sampling, TopKKeepsAsManyAsAskedFor) {
  const std::vector<float> logits{0.3F, 0.2F, 0.1F, 0.0F};
  for (const size_t top_k : {1U, 2U, 3U, 4U, 9U}) {
    Rng rng(3);
    std::set<uint32_t> tokens;
    for (int i = 0; i < 500; ++i)
      tokens.insert(sample_token(logits, {.top_k = static_cast<uint32_t>(top_k)}, rng));
    EXPECT_EQ(tokens.size(), std::min<size_t>(top_k, 4)) << top_k;
    EXPECT_EQ(*tokens.begin(), 0U);
    EXPECT_EQ(*tokens.rbegin(), tokens.size() - 1);
  }
}

TEST(Sampling, FollowsTheSoftmax) {
  Rng rng(7);
  const std::vector<float> logits{0.0F, std::log(3.0F)};
  std::map<uint32_t, int> counts;
  for (int i = 0; i < 4000; ++i) ++counts[sample_token(logits, {}, rng)];
  EXPECT_NEAR(counts[1] / 4000.0, 0.75, 0.03);
}

}  // namespace
}  // namespace pretrain
