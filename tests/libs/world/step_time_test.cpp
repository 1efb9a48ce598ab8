// SPDX-License-Identifier: Apache-2.0
#include "libs/world/step_time.h"

#include <gtest/gtest.h>

namespace pretrain {
namespace {

/// A model of 27 M parameters: embeddings, six layers, a final norm.
std::vector<ElementRange> parts_of_base() {
  constexpr size_t kEmbedding = 8'448'000, kLayer = 3'152'384, kNorm = 1024;
  std::vector<ElementRange> parts{{kEmbedding + 6 * kLayer, kEmbedding + 6 * kLayer + kNorm}};
  for (size_t i = 0; i < 6; ++i) parts.push_back({parts.back().first - kLayer, parts.back().first});
  parts.push_back({0, kEmbedding});
  return parts;
}

SharedRun base(double bits_per_second) {
  return {.parts = parts_of_base(),
          .pace = {.token = 2e-4, .layers_backward = 1e-4, .update = 0.02, .threads = 2},
          .network = ethernet(bits_per_second)};
}

TEST(StepTime, OneMachineExchangesNothing) {
  const PredictedStep step = predict_step(base(1e9), 1, 1000);
  EXPECT_DOUBLE_EQ(step.all, 1000 * 2e-4 + 0.02);
  EXPECT_EQ(step.exchange, 0);
}

TEST(StepTime, TheExchangeIsWhatGoesThroughTheCable) {
  SharedRun run = base(1e9);
  run.network.latency = run.network.gap = 0;
  run.pace.token = run.pace.layers_backward = 0;
  const double bytes = 4.0 * static_cast<double>(run.parts.front().last);
  for (const int machines : {2, 4, 64}) {
    const double expected = 2.0 * (machines - 1) / machines * bytes / run.network.bytes_per_second;
    EXPECT_NEAR(predict_step(run, machines, 1).exchange, expected, 0.001 * expected);
    run.element_bytes = 2;
    EXPECT_NEAR(predict_step(run, machines, 1).exchange, expected / 2, 0.001 * expected);
    run.element_bytes = 4;
  }
}

TEST(StepTime, TheBackwardPassHidesAllButTheEmbeddings) {
  SharedRun run = base(25e9);
  run.network.latency = run.network.gap = 0;
  run.pace.layers_backward = run.pace.token;  // time enough
  const PredictedStep step = predict_step(run, 2, 2048);
  const double bytes_of_embeddings = 4.0 * static_cast<double>(run.parts.back().last);
  EXPECT_GT(step.hidden, 0);
  EXPECT_GE(step.exchange - step.hidden, bytes_of_embeddings / run.network.bytes_per_second);
  EXPECT_LT(step.exchange - step.hidden, 1.5 * bytes_of_embeddings / run.network.bytes_per_second);
  run.pace.layers_backward = 0;
  EXPECT_EQ(predict_step(run, 2, 2048).hidden, 0);
}

TEST(StepTime, EfficiencyRisesWithTokensAndRate) {
  EXPECT_LT(efficiency(base(1e9), 4, 1000), efficiency(base(1e9), 4, 10'000));
  EXPECT_LT(efficiency(base(1e9), 4, 1000), efficiency(base(10e9), 4, 1000));
  EXPECT_LT(efficiency(base(1e9), 64, 10'000), efficiency(base(1e9), 2, 10'000));
  EXPECT_LE(efficiency(base(1e12), 2, 1e6), 1);
  EXPECT_GT(efficiency(base(1e12), 2, 1e6), 0.99);
}

TEST(StepTime, FindsTheTokensForAnEfficiency) {
  for (const int machines : {2, 8}) {
    const auto tokens = tokens_for_efficiency(base(1e9), machines, 0.9);
    ASSERT_TRUE(tokens);
    EXPECT_GE(efficiency(base(1e9), machines, *tokens), 0.9);
    EXPECT_LT(efficiency(base(1e9), machines, *tokens - 2), 0.9);
  }
  EXPECT_FALSE(tokens_for_efficiency(base(1e3), 8, 0.9)) << "out of reach";
}

}  // namespace
}  // namespace pretrain
