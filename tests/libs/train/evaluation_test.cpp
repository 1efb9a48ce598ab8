// SPDX-License-Identifier: Apache-2.0
#include "libs/train/evaluation.h"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "libs/model/initialization.h"
#include "tests/libs/train/train_testing.h"
#include "tests/support/reference_gpt2.h"

namespace pretrain {
namespace {

struct Problem {
  explicit Problem(int64_t rows) : layout(config), parameters(layout.flat_size()) {
    initialize_parameters(compute, layout, 3, parameters.data());
    for (size_t i = 0; i < parameters.size(); ++i) parameters[i] *= 5;
    const Batch batch = test::random_batch(config, rows, 1, 4);
    data = {.context = static_cast<uint32_t>(config.context),
            .inputs = batch.inputs,
            .targets = batch.targets,
            .target_count = batch.target_count,
            .target_bytes = 4 * batch.target_count};
  }
  EvaluationResult run(int64_t micro_rows, const std::stop_token& stop = {}) {
    Transformer model(compute, {config, micro_rows, false});
    model.use_parameters(parameters.data());
    return evaluate(model, as_set(data), stop);
  }
  double expected_loss() const {
    const std::vector<double> values(parameters.data(), parameters.data() + parameters.size());
    return test::reference_loss(config, layout, values, data.inputs, data.targets) /
           static_cast<double>(data.target_count);
  }

  ModelConfig config = test::tiny_model();
  Compute compute{1};
  ParameterLayout layout;
  Buffer<float> parameters;
  EvaluationData data;
};

TEST(Evaluation, IsTheMeanLossOfTheReference) {
  Problem p(6);
  const double expected = p.expected_loss();
  const EvaluationResult result = p.run(6);
  EXPECT_NEAR(result.loss, expected, 1e-5 * expected);
  EXPECT_NEAR(result.perplexity, std::exp(expected), 1e-4 * std::exp(expected));
  EXPECT_NEAR(result.bits_per_byte, expected / std::numbers::ln2 / 4, 1e-5 * expected);
}

TEST(Evaluation, PaddingOfTheLastMicroBatchDoesNotCount) {
  Problem p(7);
  const double expected = p.expected_loss();
  for (const int64_t micro_rows : {1, 2, 3, 4, 7, 9}) {
    EXPECT_NEAR(p.run(micro_rows).loss, expected, 1e-5 * expected) << micro_rows;
  }
}

TEST(Evaluation, IsTheSameEachTime) {
  Problem p(5);
  EXPECT_EQ(p.run(2).loss, p.run(2).loss);
}

TEST(Evaluation, HasNoBitsPerByteWhenTheTextIsNotKnown) {
  Problem p(3);
  p.data.target_bytes = 0;
  EXPECT_EQ(p.run(3).bits_per_byte, 0);
}

TEST(Evaluation, StopsOnRequest) {
  Problem p(3);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(p.run(3, stop.get_token()), Stopped);
}

}  // namespace
}  // namespace pretrain
