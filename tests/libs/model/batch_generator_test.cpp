// SPDX-License-Identifier: Apache-2.0
// Generation of several sequences against the training pass, against itself one by one, and across architectures,
// tied and untied heads and both precisions.

#include "libs/model/batch_generator.h"

#include <deque>
#include <vector>

#include <gtest/gtest.h>

#include "libs/model/architecture.h"
#include "tests/libs/model/model_problem.h"
#include "tests/support/matchers.h"
#include "tests/support/threads.h"

namespace pretrain {
namespace {

using test::Problem;

constexpr int64_t kContext = 61;  // more than a block of queries

ModelConfig rotary(const Architecture& architecture, int64_t kv_heads, int64_t head_size, bool tied) {
  return {.architecture = &architecture,
          .layers = 2,
          .d_model = 24,
          .heads = 6,
          .d_ff = 40,
          .vocabulary = 71,
          .context = kContext,
          .kv_heads = kv_heads,
          .head_channels = head_size,
          .rope_theta = 10'000,
          .norm_epsilon = 1e-5,
          .tied = tied};
}

std::vector<ModelConfig> models() {
  ModelConfig gpt2 = test::odd_model();
  gpt2.context = kContext;
  return {gpt2, rotary(llama(), 2, 4, true), rotary(llama(), 6, 4, false), rotary(qwen3(), 2, 14, false)};
}

/// check(problem, precision, room): `room` is what rounding may change.
template <typename F>
void for_each_model(const F& check) {
  for (const ModelConfig& config : models()) {
    const Problem problem(config, 1);
    for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
      SCOPED_TRACE(testing::Message()
                   << config.architecture->name << (config.tied ? ", tied, " : ", untied, ")
                   << precision_name(precision));
      // Attention of a prompt adds in another order, which a rounding to bf16 magnifies.
      check(problem, precision, precision == Precision::kBf16 ? 0.05 : 1e-4);
    }
  }
}

BatchGenerator make(Compute& compute, const Problem& p, const GeneratorShape& shape) {
  return {compute, p.config, p.layout, p.values.data(), shape};
}

std::vector<float> copy_of(std::span<const float> logits) {
  return {logits.begin(), logits.end()};
}

/// Logits after each token, which are given one by one.
std::vector<float> step_by_step(Compute& compute, const Problem& p, const GeneratorShape& shape,
                                std::span<const uint32_t> tokens) {
  BatchGenerator generator = make(compute, p, shape);
  std::vector<float> logits;
  for (const uint32_t token : tokens) {
    const std::vector<NextToken> next{{0, token}};
    const auto row = generator.append(next);
    logits.insert(logits.end(), row.begin(), row.end());
  }
  return logits;
}

/// Of all positions of a prompt.
void expect_logits_of_the_training_pass(const Problem& p, Precision precision, double room) {
  Compute compute(2);
  Transformer model(compute, {.config = p.config, .rows = 1, .training = false, .precision = precision});
  model.use_parameters(p.values.data());
  model.evaluate(p.inputs.data(), p.targets.data());
  std::vector<float> expected(p.inputs.size() * static_cast<size_t>(p.config.vocabulary));
  model.logits(expected.data());
  BatchGenerator generator = make(compute, p, {.precision = precision});
  EXPECT_TRUE(test::all_close(generator.read(0, p.inputs, kContext), std::span<const float>(expected), room));
}

TEST(BatchGenerator, APromptHasTheLogitsOfTheTrainingPass) {
  for_each_model(expect_logits_of_the_training_pass);
}

/// One so large that each place without it shows, also where heads are normed.
TEST(BatchGenerator, NormsHaveTheEpsilonOfTheModel) {
  for (const Architecture* architecture : {&llama(), &qwen3()}) {
    ModelConfig config = rotary(*architecture, 2, 14, true);
    if (choices_of(*architecture)->heads_divide_width) config.head_channels = 4;
    config.norm_epsilon = 0.5;
    expect_logits_of_the_training_pass(Problem(config, 1), Precision::kFloat32, 1e-4);
  }
}

TEST(BatchGenerator, APromptHasTheLogitsOfItsTokensOneByOne) {
  for_each_model([](const Problem& p, Precision precision, double room) {
    Compute compute(2);
    const std::vector<float> expected = step_by_step(compute, p, {.precision = precision}, p.inputs);
    for (const size_t length : {1U, 7U, 8U, 48U, 49U, 61U}) {  // row by row, in one pass, in several blocks
      BatchGenerator generator = make(compute, p, {.precision = precision});
      const auto tokens = std::span(p.inputs).first(length);
      const auto rows = std::span(expected).first(length * static_cast<size_t>(p.config.vocabulary));
      EXPECT_TRUE(test::all_close(generator.read(0, tokens, static_cast<int64_t>(length)), rows, room))
          << length;
    }
  });
}

TEST(BatchGenerator, APromptInPiecesIsThePrompt) {
  for_each_model([](const Problem& p, Precision precision, double room) {
    Compute compute(2);
    BatchGenerator whole = make(compute, p, {.precision = precision});
    const std::vector<float> expected = copy_of(whole.read(0, p.inputs));
    BatchGenerator pieces = make(compute, p, {.precision = precision});
    pieces.read(0, std::span(p.inputs).first(20));
    pieces.read(0, std::span(p.inputs).subspan(20, 1));
    EXPECT_TRUE(test::all_close(pieces.read(0, std::span(p.inputs).subspan(21)),
                                std::span<const float>(expected), room));
  });
}

TEST(BatchGenerator, SequencesTogetherHaveTheBitsOfEachAlone) {
  for_each_model([](const Problem& p, Precision precision, double) {
    Compute compute(2);
    const auto V = static_cast<size_t>(p.config.vocabulary);
    constexpr int64_t kSequences = 5;
    // Sequences of unequal length, beyond the context, so that they forget at different steps.
    BatchGenerator together = make(compute, p, {.sequences = kSequences, .precision = precision});
    std::deque<BatchGenerator> alone;
    for (int64_t s = 0; s < kSequences; ++s) {
      const auto prompt = std::span(p.inputs).first(static_cast<size_t>(40 + 5 * s));
      alone.emplace_back(compute, p.config, p.layout, p.values.data(),
                         GeneratorShape{.precision = precision});
      EXPECT_EQ(copy_of(together.read(s, prompt)), copy_of(alone.back().read(0, prompt)));
    }
    for (size_t step = 0; step < 30; ++step) {
      std::vector<NextToken> next;
      for (int64_t s = 0; s < kSequences; ++s)
        next.push_back({s, p.inputs[(step * 7 + static_cast<size_t>(s)) % p.inputs.size()]});
      const std::vector<float> rows = copy_of(together.append(next));
      for (size_t s = 0; s < kSequences; ++s) {
        const std::vector<NextToken> one{{0, next[s].token}};
        const auto expected = std::span(rows).subspan(s * V, V);
        ASSERT_EQ(copy_of(alone[s].append(one)), copy_of(expected)) << "step " << step << ", sequence " << s;
      }
    }
  });
}

TEST(BatchGenerator, ACopyContinuesLikeTheOriginal) {
  for_each_model([](const Problem& p, Precision precision, double) {
    Compute compute(2);
    const auto V = static_cast<size_t>(p.config.vocabulary);
    BatchGenerator generator = make(compute, p, {.sequences = 3, .precision = precision});
    generator.read(2, std::span(p.inputs).first(11));  // is replaced
    generator.read(0, std::span(p.inputs).first(30));
    generator.copy(0, 2);
    const std::vector<NextToken> next{{0, 5}, {2, 5}};
    const std::vector<float> rows = copy_of(generator.append(next));
    EXPECT_EQ(copy_of(std::span(rows).first(V)), copy_of(std::span(rows).last(V)));
    EXPECT_EQ(generator.tokens(2).size(), 31U);
  });
}

TEST(BatchGenerator, WhatWasCutOffLeavesNoTrace) {
  for_each_model([](const Problem& p, Precision precision, double) {
    Compute compute(2);
    BatchGenerator generator = make(compute, p, {.precision = precision});
    generator.read(0, std::span(p.inputs).first(20));
    const auto choice = std::span(p.inputs).subspan(20, 5);
    const std::vector<float> expected = copy_of(generator.read(0, choice, 5));
    generator.truncate(0, 20);
    generator.read(0, std::span(p.inputs).subspan(40, 7));
    generator.truncate(0, 20);
    EXPECT_EQ(copy_of(generator.read(0, choice, 5)), expected);
  });
}

TEST(BatchGenerator, ForgetsTheOlderHalfOfAFullContext) {
  for_each_model([](const Problem& p, Precision precision, double) {
    Compute compute(2);
    BatchGenerator full = make(compute, p, {.precision = precision});
    full.read(0, p.inputs);
    const std::vector<NextToken> next{{0, 3}};
    const std::vector<float> logits = copy_of(full.append(next));
    BatchGenerator recent = make(compute, p, {.precision = precision});
    recent.read(0, std::span(p.inputs).subspan(kContext / 2));
    EXPECT_EQ(copy_of(recent.append(next)), logits);
    EXPECT_EQ(full.tokens(0).size(), recent.tokens(0).size());
  });
}

TEST(BatchGenerator, RotaryPositionsReachBeyondTheTrainedContext) {
  const Problem p(rotary(qwen3(), 2, 8, false), 2);
  ModelConfig longer = p.config;
  longer.context = 2 * kContext;
  const ParameterLayout layout(longer);  // the same: no tensor depends on the context
  Compute compute(2);
  BatchGenerator trained_longer(compute, longer, layout, p.values.data(), {});
  const std::vector<float> expected = copy_of(trained_longer.read(0, p.inputs));
  BatchGenerator generator = make(compute, p, {.context = 2 * kContext});
  EXPECT_EQ(generator.context(), 2 * kContext);
  EXPECT_EQ(copy_of(generator.read(0, p.inputs)), expected);
}

TEST(BatchGenerator, ResultsDoNotDependOnTheThreads) {
  const test::MoreThreads more;
  for_each_model([](const Problem& p, Precision precision, double) {
    std::vector<float> expected;
    for (const int threads : {1, 3}) {
      Compute compute(threads);
      test::on_each_thread(compute, [] {});
      BatchGenerator generator = make(compute, p, {.sequences = 2, .precision = precision});
      generator.read(0, std::span(p.inputs).first(50));
      generator.copy(0, 1);
      const std::vector<NextToken> next{{0, 5}, {1, 6}};
      const std::vector<float> logits = copy_of(generator.append(next));
      if (expected.empty()) expected = logits;
      EXPECT_EQ(logits, expected);
    }
  });
}

using BatchGeneratorDeathTest = testing::Test;

TEST(BatchGeneratorDeathTest, LearnedPositionsEndWithTheContext) {
  const Problem p(models().front(), 1);
  Compute compute(1);
  EXPECT_DEATH(make(compute, p, {.context = kContext + 1}), "context 62 of 61");
}

}  // namespace
}  // namespace pretrain
