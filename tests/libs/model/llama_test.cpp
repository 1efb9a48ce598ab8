// SPDX-License-Identifier: Apache-2.0
// Llama and Qwen3 against their double-precision references: losses, logits, gradients of every tensor, both
// precisions, all modes of recomputing, generation.

#include <cmath>

#include <gtest/gtest.h>

#include "libs/model/architecture.h"
#include "libs/model/generation.h"
#include "libs/model/memory_plan.h"
#include "tests/libs/model/model_problem.h"
#include "tests/support/matchers.h"
#include "tests/support/reference_llama.h"
#include "tests/support/threads.h"

namespace pretrain {
namespace {

using test::gradients_of;
using test::Problem;

ModelConfig config_of(const Architecture& architecture, int64_t kv_heads, int64_t head_size, bool tied) {
  return {.architecture = &architecture,
          .layers = 2,
          .d_model = 24,
          .heads = 6,
          .d_ff = 40,
          .vocabulary = 71,
          .context = 9,
          .kv_heads = kv_heads,
          .head_channels = head_size,
          .rope_theta = 10'000,
          .norm_epsilon = 1e-5,
          .tied = tied};
}

/// Heads of their own and shared ones, heads as wide as the model and wider, tied and not.
const std::vector<ModelConfig>& models() {
  static const std::vector<ModelConfig> all{config_of(llama(), 6, 4, true),   config_of(llama(), 2, 4, false),
                                            config_of(llama(), 1, 10, true),  config_of(qwen3(), 3, 8, true),
                                            config_of(qwen3(), 2, 14, false), config_of(qwen3(), 6, 4, true)};
  return all;
}

template <typename F>
void for_each_model(const F& check) {
  for (const ModelConfig& config : models()) {
    SCOPED_TRACE(testing::Message() << config.architecture->name << ", " << config.kv_heads
                                    << " key-value heads of " << config.head_channels
                                    << (config.tied ? ", tied" : ", untied"));
    check(config);
  }
}

TEST(Llama, LossAgreesWithTheDoubleReference) {
  for_each_model([](const ModelConfig& config) {
    const Problem p(config, 4);
    double loss = 0;
    gradients_of(p, 2, 4, 1.0F, &loss);
    EXPECT_NEAR(loss, test::reference_llama_loss(p.config, p.layout, p.as_double(), p.inputs, p.targets),
                1e-4 * loss);
  });
}

TEST(Llama, LogitsAgreeWithTheDoubleReference) {
  for_each_model([](const ModelConfig& config) {
    const Problem p(config, 2);
    Compute compute(2);
    Transformer model(compute, {p.config, p.rows, false});
    model.use_parameters(p.values.data());
    model.evaluate(p.inputs.data(), p.targets.data());
    std::vector<float> logits(p.inputs.size() * static_cast<size_t>(p.config.vocabulary));
    model.logits(logits.data());
    const auto expected = test::reference_llama_logits(p.config, p.layout, p.as_double(), p.inputs);
    EXPECT_TRUE(test::all_close(logits, expected, 2e-5));
  });
}

/// Every tensor, at places from a seed, with parameters away from their start.
TEST(Llama, GradientsOfEveryTensorAgreeWithCentralDifferences) {
  for_each_model([](const ModelConfig& config) {
    const Problem p(config, 4);
    const std::vector<float> gradients = gradients_of(p, 2, 2, 1.0F);
    std::vector<double> values = p.as_double();
    Rng rng(11);
    for (const ParameterInfo& tensor : p.layout.tensors()) {
      std::vector<double> expected, actual;
      for (int sample = 0; sample < 8; ++sample) {
        const size_t i = tensor.offset + rng.below(tensor.size);
        constexpr double kStep = 1e-4;
        const double value = values[i];
        const auto loss_at = [&](double changed) {
          values[i] = changed;
          return test::reference_llama_loss(p.config, p.layout, values, p.inputs, p.targets);
        };
        expected.push_back((loss_at(value + kStep) - loss_at(value - kStep)) / (2 * kStep));
        values[i] = value;
        actual.push_back(static_cast<double>(gradients[i]));
      }
      EXPECT_TRUE(test::all_close(actual, expected, 3e-4)) << tensor.name;
    }
  });
}

/// More positions than a block of queries and than a chunk of the head.
TEST(Llama, LossAgreesBeyondOneBlockOfQueries) {
  ModelConfig config = config_of(qwen3(), 2, 8, true);
  config.context = 300;
  const Problem p(config, 2);
  double loss = 0;
  gradients_of(p, 2, 2, 1.0F, &loss);
  EXPECT_NEAR(loss, test::reference_llama_loss(p.config, p.layout, p.as_double(), p.inputs, p.targets),
              1e-4 * loss);
}

TEST(Llama, GradientsDoNotDependOnWhatIsRecomputed) {
  for_each_model([](const ModelConfig& config) {
    const Problem p(config, 4);
    for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
      const std::vector<float> kept = gradients_of(p, 2, 2, 0.25F, nullptr, Recompute::kNone, precision);
      for (const Recompute recompute : {Recompute::kCheap, Recompute::kLayers})
        EXPECT_EQ(kept, gradients_of(p, 2, 2, 0.25F, nullptr, recompute, precision));
    }
  });
}

TEST(Llama, GradientsDoNotDependOnTheNumberOfThreads) {
  const test::MoreThreads more_threads;
  for_each_model([](const ModelConfig& config) {
    const Problem p(config, 6);
    const std::vector<float> one = gradients_of(p, 1, 6, 0.25F);
    EXPECT_EQ(one, gradients_of(p, 2, 6, 0.25F));
    EXPECT_EQ(one, gradients_of(p, 5, 6, 0.25F));
  });
}

TEST(Llama, MicroBatchesAddUp) {
  for_each_model([](const ModelConfig& config) {
    const Problem p(config, 6);
    EXPECT_TRUE(test::all_close(gradients_of(p, 2, 2, 0.5F), gradients_of(p, 2, 6, 0.5F), 1e-5));
  });
}

/// Rounding the operands shifts each gradient a little, in any direction: the whole stays where it was.
TEST(Llama, GradientsInBf16StayCloseToThoseInFloat32) {
  for (const Architecture* architecture : {&llama(), &qwen3()}) {
    ModelConfig config = config_of(*architecture, 2, 16, false);
    config.d_model = 64;
    config.heads = 4;
    config.d_ff = 192;
    config.context = 60;
    const Problem p(config, 4);
    const std::vector<float> exact = gradients_of(p, 2, 4, 0.25F);
    const std::vector<float> rounded =
        gradients_of(p, 2, 4, 0.25F, nullptr, Recompute::kCheap, Precision::kBf16);
    EXPECT_NE(exact, rounded);
    for (const ParameterInfo& tensor : p.layout.tensors()) {
      double difference = 0, size = 0;
      for (size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
        difference += std::pow(static_cast<double>(exact[i]) - static_cast<double>(rounded[i]), 2);
        size += std::pow(static_cast<double>(exact[i]), 2);
      }
      EXPECT_LT(std::sqrt(difference / size), 0.06) << architecture->name << " " << tensor.name;
    }
  }
}

TEST(Llama, GenerationHasTheLogitsOfTheTrainingPass) {
  for_each_model([](const ModelConfig& config) {
    const Problem p(config, 1);
    Compute compute(2);
    const auto expected = test::reference_llama_logits(p.config, p.layout, p.as_double(), p.inputs);
    Generator generator(compute, p.config, p.layout, p.values.data());
    for (size_t t = 0; t < p.inputs.size(); ++t) {
      const auto logits = generator.feed(p.inputs[t]);
      const auto row = expected.begin() + static_cast<int64_t>(t) * config.vocabulary;
      EXPECT_TRUE(test::all_close(std::vector<float>(logits.begin(), logits.end()),
                                  std::vector<double>(row, row + config.vocabulary), 2e-5))
          << t;
    }
  });
}

TEST(Llama, HasTheTensorsOfHuggingFace) {
  std::vector<std::string> names;
  const ParameterLayout layout(config_of(qwen3(), 3, 8, false));
  for (const ParameterInfo& tensor : layout.tensors()) names.push_back(tensor.name);
  for (const char* name : {"model.embed_tokens.weight", "model.layers.0.input_layernorm.weight",
                           "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight",
                           "model.layers.1.self_attn.v_proj.weight", "model.layers.1.self_attn.o_proj.weight",
                           "model.layers.1.self_attn.q_norm.weight", "model.layers.1.self_attn.k_norm.weight",
                           "model.layers.1.post_attention_layernorm.weight",
                           "model.layers.1.mlp.gate_proj.weight", "model.layers.1.mlp.up_proj.weight",
                           "model.layers.1.mlp.down_proj.weight", "model.norm.weight", "lm_head.weight"})
    EXPECT_NE(std::ranges::find(names, name), names.end()) << name;
  EXPECT_EQ(names.size(), 2 * 11 + 3);
  const ParameterLayout plain(config_of(llama(), 6, 4, true));
  EXPECT_EQ(plain.tensors().size(), 2 * 9 + 2);
}

}  // namespace
}  // namespace pretrain
