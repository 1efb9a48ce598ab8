// SPDX-License-Identifier: Apache-2.0
#include "libs/model/sampling.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

std::set<uint32_t> drawn(const std::vector<float>& logits, const SamplingOptions& options,
                         std::span<const uint32_t> seen = {}) {
  Rng rng(3);
  std::set<uint32_t> tokens;
  for (int i = 0; i < 500; ++i) tokens.insert(sample_token(logits, options, rng, seen));
  return tokens;
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

/// Far more than are sorted at first.
TEST(Sampling, TopPKeepsManyWhereNoneIsLikely) {
  const std::vector<float> logits(1000, 0.5F);
  const std::set<uint32_t> kept = drawn(logits, {.top_p = 0.6});
  EXPECT_LT(*kept.rbegin(), 601U);
  EXPECT_GT(*kept.rbegin(), 500U);
  EXPECT_GT(kept.size(), 250U);
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

TEST(Sampling, MinPKeepsAShareOfTheMostLikely) {
  // Shares of 0.5, 0.3 and 0.2: 1, 0.6 and 0.4 of the most likely.
  const std::vector<float> logits{std::log(0.2F), std::log(0.5F), std::log(0.3F)};
  EXPECT_EQ(drawn(logits, {.min_p = 0}), (std::set<uint32_t>{0, 1, 2}));
  EXPECT_EQ(drawn(logits, {.min_p = 0.39}), (std::set<uint32_t>{0, 1, 2}));
  EXPECT_EQ(drawn(logits, {.min_p = 0.41}), (std::set<uint32_t>{1, 2}));
  EXPECT_EQ(drawn(logits, {.min_p = 0.61}), (std::set<uint32_t>{1}));
  EXPECT_EQ(drawn(logits, {.min_p = 1}), (std::set<uint32_t>{1}));
  // After the temperature: at 0.5 the shares are squared.
  EXPECT_EQ(drawn(logits, {.temperature = 0.5, .min_p = 0.37}), (std::set<uint32_t>{1}));
}

TEST(Sampling, ThePenaltyMakesSeenTokensLessLikelyWhateverTheSignOfTheirLogit) {
  const SamplingOptions greedy{.temperature = 0, .repetition_penalty = 2};
  Rng rng(1);
  const std::vector<uint32_t> first{0}, twice{0, 0}, none{};
  EXPECT_EQ(sample_token(std::vector<float>{3, 2}, greedy, rng, first), 1U);
  EXPECT_EQ(sample_token(std::vector<float>{3, 2}, greedy, rng, none), 0U);
  EXPECT_EQ(sample_token(std::vector<float>{-1, -1.5F}, greedy, rng, first), 1U);
  // Once, however often it was seen: 3 / 2 is more than 1, 3 / 4 would not be.
  EXPECT_EQ(sample_token(std::vector<float>{3, 1}, greedy, rng, twice), 0U);
}

/// A long vocabulary, of which pieces are sorted: the same as sorting all of it.
TEST(Sampling, TheNucleusOfALongVocabularyIsExact) {
  Rng values(5);
  std::vector<float> logits(5000);
  for (float& logit : logits) logit = static_cast<float>(values.normal());
  std::vector<std::pair<double, uint32_t>> sorted;
  double total = 0;
  for (uint32_t v = 0; v < logits.size(); ++v) {
    sorted.emplace_back(-std::exp(static_cast<double>(logits[v])), v);
    total -= sorted.back().first;
  }
  std::sort(sorted.begin(), sorted.end());
  for (const double top_p : {0.01, 0.5, 0.9}) {
    std::set<uint32_t> nucleus;
    double reached = 0;
    for (size_t i = 0; reached < top_p * total; ++i) {
      reached -= sorted[i].first;
      nucleus.insert(sorted[i].second);
    }
    const std::set<uint32_t> tokens = drawn(logits, {.top_p = top_p});
    EXPECT_TRUE(std::includes(nucleus.begin(), nucleus.end(), tokens.begin(), tokens.end())) << top_p;
    EXPECT_GT(tokens.size(), std::min<size_t>(nucleus.size(), 100) / 2) << top_p;
  }
}

TEST(Sampling, ASeedRepeatsItself) {
  std::vector<float> logits(100);
  for (size_t v = 0; v < logits.size(); ++v) logits[v] = static_cast<float>(v % 7);
  const SamplingOptions options{.temperature = 0.8, .top_k = 50, .top_p = 0.9, .min_p = 0.05};
  const auto tokens = [&](uint64_t seed) {
    Rng rng(seed);
    std::vector<uint32_t> all;
    for (int i = 0; i < 50; ++i) all.push_back(sample_token(logits, options, rng));
    return all;
  };
  EXPECT_EQ(tokens(4), tokens(4));
  EXPECT_NE(tokens(4), tokens(5));
}

}  // namespace
}  // namespace pretrain
