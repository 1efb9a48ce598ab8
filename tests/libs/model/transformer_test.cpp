// SPDX-License-Identifier: Apache-2.0
#include "libs/model/transformer.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include "libs/base/rng.h"
#include "libs/model/architecture.h"
#include "libs/model/architecture_choices.h"
#include "libs/model/memory_plan.h"
#include "tests/libs/model/model_problem.h"
#include "tests/support/matchers.h"
#include "tests/support/reference_gpt2.h"

namespace pretrain {
namespace {

using test::gradients_of;
using test::odd_model;
using test::Problem;

TEST(Transformer, LossAgreesWithTheDoubleReference) {
  const Problem p(odd_model(), 4);
  double loss = 0;
  gradients_of(p, 2, 4, 1.0F, &loss);
  EXPECT_NEAR(loss, test::reference_loss(p.config, p.layout, p.as_double(), p.inputs, p.targets),
              1e-4 * loss);
}

/// Rounding the operands shifts each gradient a little, in any direction: the whole stays where it was.
TEST(Transformer, GradientsInBf16StayCloseToThoseInFloat32) {
  const Problem p({.layers = 2, .d_model = 64, .heads = 4, .d_ff = 256, .vocabulary = 300, .context = 100},
                  4);
  double exact_loss = 0;
  double loss = 0;
  const std::vector<float> exact = gradients_of(p, 2, 4, 0.25F, &exact_loss);
  const std::vector<float> rounded = gradients_of(p, 2, 4, 0.25F, &loss, Recompute::kCheap, Precision::kBf16);
  EXPECT_NE(exact, rounded);
  EXPECT_NEAR(loss, exact_loss, 2e-3 * exact_loss);
  for (const ParameterInfo& tensor : p.layout.tensors()) {
    double difference = 0;
    double size = 0;
    for (size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
      difference += std::pow(static_cast<double>(exact[i]) - static_cast<double>(rounded[i]), 2);
      size += std::pow(static_cast<double>(exact[i]), 2);
    }
    EXPECT_LT(std::sqrt(difference / size), 0.05) << tensor.name;
  }
}

TEST(Transformer, LogitsAgreeWithTheDoubleReference) {
  const Problem p(odd_model(), 2);
  Compute compute(2);
  Transformer model(compute, {p.config, p.rows, false});
  model.use_parameters(p.values.data());
  model.evaluate(p.inputs.data(), p.targets.data());
  std::vector<float> logits(p.inputs.size() * static_cast<size_t>(p.config.vocabulary));
  model.logits(logits.data());
  EXPECT_TRUE(
      test::all_close(logits, test::reference_logits(p.config, p.layout, p.as_double(), p.inputs), 1e-5));
}

TEST(Transformer, GradientsOfEveryTensorAgreeWithCentralDifferences) {
  const Problem p(odd_model(), 3);
  const std::vector<float> gradients = gradients_of(p, 2, 3, 1.0F);
  std::vector<double> values = p.as_double();
  Rng rng(11);
  for (const ParameterInfo& tensor : p.layout.tensors()) {
    std::vector<double> expected;
    std::vector<double> actual;
    for (int sample = 0; sample < 12; ++sample) {
      const size_t i = tensor.offset + rng.below(tensor.size);
      constexpr double kStep = 1e-4;
      const double value = values[i];
      values[i] = value + kStep;
      const double up = test::reference_loss(p.config, p.layout, values, p.inputs, p.targets);
      values[i] = value - kStep;
      const double down = test::reference_loss(p.config, p.layout, values, p.inputs, p.targets);
      values[i] = value;
      expected.push_back((up - down) / (2 * kStep));
      actual.push_back(static_cast<double>(gradients[i]));
    }
    EXPECT_TRUE(test::all_close(actual, expected, 2e-4)) << tensor.name;
  }
}

TEST(Transformer, GradientsDoNotDependOnTheNumberOfThreads) {
  const tbb::global_control more_threads(tbb::global_control::max_allowed_parallelism, 8);
  const Problem p({.layers = 2, .d_model = 64, .heads = 4, .d_ff = 256, .vocabulary = 300, .context = 100},
                  6);
  const std::vector<float> one = gradients_of(p, 1, 6, 0.25F);
  EXPECT_EQ(one, gradients_of(p, 2, 6, 0.25F));
  EXPECT_EQ(one, gradients_of(p, 5, 6, 0.25F));
  const auto in_bf16 = [&](int threads) {
    return gradients_of(p, threads, 6, 0.25F, nullptr, Recompute::kCheap, Precision::kBf16);
  };
  EXPECT_EQ(in_bf16(1), in_bf16(2));
}

TEST(Transformer, GradientsDoNotDependOnWhatIsRecomputed) {
  const std::vector<ModelConfig> configs{
      odd_model(),
      {.layers = 3, .d_model = 64, .heads = 4, .d_ff = 256, .vocabulary = 300, .context = 100},
      // Logits that take more room than what they share it with, and less.
      {.layers = 1, .d_model = 8, .heads = 1, .d_ff = 16, .vocabulary = 5000, .context = 20},
      {.layers = 2, .d_model = 40, .heads = 5, .d_ff = 48, .vocabulary = 30, .context = 70}};
  for (const ModelConfig& config : configs) {
    SCOPED_TRACE(config.vocabulary);
    const Problem p(config, 4);
    for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
      double loss = 0;
      const std::vector<float> kept = gradients_of(p, 2, 2, 0.25F, &loss, Recompute::kNone, precision);
      for (const Recompute recompute : {Recompute::kCheap, Recompute::kLayers}) {
        double again = 0;
        EXPECT_EQ(kept, gradients_of(p, 2, 2, 0.25F, &again, recompute, precision));
        EXPECT_EQ(loss, again);
      }
    }
  }
}

TEST(Transformer, FourMicroBatchesOfFourRowsGiveTheGradientOfSixteen) {
  const Problem p({.layers = 2, .d_model = 32, .heads = 4, .d_ff = 64, .vocabulary = 90, .context = 16}, 16);
  EXPECT_TRUE(test::all_close(gradients_of(p, 2, 4, 0.5F), gradients_of(p, 2, 16, 0.5F), 1e-5));
}

TEST(Transformer, APartOfTheGradientIsCompleteWhenItIsShown) {
  for (const bool tied : {true, false}) {
    ModelConfig config = odd_model();
    if (!tied) {
      config = {.layers = 3, .d_model = 16, .heads = 2, .d_ff = 24, .vocabulary = 71, .context = 9};
      config.architecture = &qwen3();
      config.tied = false;
      complete_choices(config);
    }
    const Problem p(config, 2);
    for (const Recompute recompute : {Recompute::kNone, Recompute::kLayers}) {
      Compute compute(2);
      Transformer model(compute, {p.config, p.rows, true, recompute});
      model.use_parameters(p.values.data());
      std::vector<float> gradients(p.layout.flat_size()), shown(gradients.size());
      std::vector<ElementRange> parts;
      model.forward_backward(
          p.inputs.data(), p.targets.data(), 1.0F, false, gradients.data(), [&](const ElementRange& part) {
            parts.push_back(part);
            std::copy_n(gradients.data() + part.first, part.size(), shown.data() + part.first);
          });
      EXPECT_EQ(parts, p.layout.backward_parts());
      EXPECT_EQ(shown, gradients);
    }
  }
}

TEST(Transformer, OverwritesGradientsUnlessToldToAccumulate) {
  const Problem p(odd_model(), 2);
  Compute compute(2);
  Transformer model(compute, {p.config, p.rows});
  model.use_parameters(p.values.data());
  std::vector<float> gradients(p.layout.flat_size(), 1e9F);
  for (const ParameterInfo& t : p.layout.tensors())
    std::fill_n(gradients.begin() + static_cast<int64_t>(t.offset), t.size, 1e9F);
  model.forward_backward(p.inputs.data(), p.targets.data(), 1.0F, false, gradients.data());
  std::vector<float> twice = gradients;
  model.forward_backward(p.inputs.data(), p.targets.data(), 1.0F, true, twice.data());
  for (const ParameterInfo& t : p.layout.tensors()) {
    for (size_t i = t.offset; i < t.offset + t.size; ++i) {
      ASSERT_LT(std::abs(gradients[i]), 1e6F) << t.name;
      gradients[i] *= 2;
    }
    const std::vector<float> doubled(gradients.begin() + static_cast<int64_t>(t.offset),
                                     gradients.begin() + static_cast<int64_t>(t.offset + t.size));
    const std::vector<float> accumulated(twice.begin() + static_cast<int64_t>(t.offset),
                                         twice.begin() + static_cast<int64_t>(t.offset + t.size));
    EXPECT_TRUE(test::all_close(accumulated, doubled, 1e-5)) << t.name;
  }
}

TEST(Transformer, MaskedTargetsDoNotCount) {
  Problem p(odd_model(), 2);
  std::fill(p.targets.begin(), p.targets.end(), -1);
  double loss = 1;
  const std::vector<float> gradients = gradients_of(p, 1, 2, 1.0F, &loss);
  EXPECT_EQ(loss, 0.0);
  for (const ParameterInfo& t : p.layout.tensors()) {
    for (size_t i = t.offset; i < t.offset + t.size; ++i) ASSERT_EQ(gradients[i], 0.0F) << t.name;
  }
}

/// The place of a tensor.
struct Place {
  Place(const float* values, int64_t count) : begin(address(values)), end(address(values + count)) {}
  Place(const Operand& kept, int64_t count)
      : begin(kept.visit([](const auto* values) { return address(values); })),
        end(kept.at(count).visit([](const auto* values) { return address(values); })) {}
  static uintptr_t address(const void* p) { return reinterpret_cast<uintptr_t>(p); }
  uintptr_t begin, end;
};

/// The tensors of one layer of GPT-2.
struct LayerPlaces {
  explicit LayerPlaces(const LayerTensors& layer)
      : attention(std::get<AttentionTensors>(layer.blocks.at(0))),
        middle(layer.between.at(0)),
        mlp(std::get<MlpTensors>(layer.blocks.at(1))) {}

  AttentionTensors attention;
  float* middle;
  MlpTensors mlp;
};

/// All tensors of a layer, each place once for those that are meant to share it.
std::vector<Place> layer_tensors(const PassShape& s, const LayerPlaces& t) {
  const int64_t M = s.positions();
  const int64_t C = s.config.d_model;
  return {{t.attention.norm.mean, M},
          {t.attention.norm.rstd, M},
          {t.attention.qkv_out, 3 * M * C},
          {t.attention.attention_out, M * C},
          {t.attention.log_sum_exp, M * s.config.heads},
          {t.middle, M * C},
          {t.mlp.norm.mean, M},
          {t.mlp.norm.rstd, M},
          {t.mlp.normed, M * C},
          {t.mlp.up_out, M * s.config.d_ff},
          {t.mlp.activated, M * s.config.d_ff}};
}

void expect_apart(std::vector<Place> places) {
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.begin < b.begin; });
  for (size_t i = 0; i < places.size(); ++i) {
    EXPECT_EQ(places[i].begin % 64, 0U) << i;
    EXPECT_LE(i == 0 ? 0 : places[i - 1].end, places[i].begin) << i;
  }
}

void expect_places_of_their_own(const PassShape& shape) {
  const PassMemory memory(shape);
  const PassTensors& t = memory.tensors();
  const int64_t narrow = shape.positions() * shape.config.d_model;
  const int64_t wide = shape.positions() * shape.config.d_ff;
  // Half way through the backward pass of a layer's MLP.
  const LayerPlaces second(t.layers[1]);
  auto places = layer_tensors(shape, second);
  for (const float* x : t.residual) places.emplace_back(x, narrow);
  places.emplace_back(t.dx, narrow);
  places.emplace_back(t.dnarrow, narrow);
  places.emplace_back(second.mlp.dup_out, wide);
  if (shape.recompute != Recompute::kLayers) places.emplace_back(LayerPlaces(t.layers[0]).mlp.up_out, wide);
  expect_apart(std::move(places));
}

TEST(PassMemory, TensorsInUseAtOnceHavePlacesOfTheirOwn) {
  const ModelConfig config = odd_model();
  for (const Recompute recompute : {Recompute::kNone, Recompute::kCheap, Recompute::kLayers}) {
    for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
      SCOPED_TRACE(testing::Message() << static_cast<int>(recompute) << " " << precision_name(precision));
      expect_places_of_their_own({config, 5, true, recompute, precision});
    }
  }
}

TEST(Transformer, ForEvaluationOnlyGivesTheSameLoss) {
  const Problem p({.layers = 3, .d_model = 64, .heads = 4, .d_ff = 256, .vocabulary = 300, .context = 100},
                  2);
  for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
    Compute compute(2);
    const auto loss_of = [&](bool training) {
      Transformer model(compute, {p.config, p.rows, training, Recompute::kCheap, precision});
      model.use_parameters(p.values.data());
      return model.evaluate(p.inputs.data(), p.targets.data());
    };
    double trained = 0;
    gradients_of(p, 2, 2, 1.0F, &trained, Recompute::kCheap, precision);
    EXPECT_EQ(loss_of(false), trained) << precision_name(precision);
    EXPECT_EQ(loss_of(true), trained) << precision_name(precision);
  }
}

/// What the sums of q, k and v may not share a place with while attention is at work.
TEST(PassMemory, SumsOfTheForwardPassHavePlacesOfTheirOwn) {
  const ModelConfig config = odd_model();
  for (const bool training : {true, false}) {
    const PassShape shape{config, 5, training, Recompute::kCheap, Precision::kBf16};
    const PassMemory memory(shape);
    const PassTensors& t = memory.tensors();
    const LayerPlaces a(t.layers[1]);
    const int64_t narrow = shape.positions() * config.d_model;
    const int64_t wide = shape.positions() * config.d_ff;
    expect_apart({{a.attention.dqkv, 3 * narrow},
                  {a.attention.normed, narrow},
                  {a.attention.qkv_out, 3 * narrow},
                  {t.residual[1], narrow}});
    expect_apart({{a.mlp.dup_out, wide},
                  {a.mlp.normed, narrow},
                  {a.mlp.up_out, wide},
                  {a.mlp.activated, wide},
                  {a.middle, narrow}});
  }
}

TEST(PassMemory, ShrinksWithWhatIsRecomputedAndRounded) {
  const ModelConfig base;
  const auto megabytes = [&](bool training, Recompute recompute, Precision precision = Precision::kFloat32) {
    return PassMemory::size_floats({base, 8, training, recompute, precision}) * sizeof(float) / 1'000'000;
  };
  EXPECT_LT(megabytes(true, Recompute::kCheap) + 130, megabytes(true, Recompute::kNone));
  EXPECT_LT(megabytes(true, Recompute::kLayers) + 120, megabytes(true, Recompute::kCheap));
  EXPECT_LT(megabytes(false, Recompute::kCheap), megabytes(true, Recompute::kLayers));
  EXPECT_LT(megabytes(true, Recompute::kCheap, Precision::kBf16) + 100, megabytes(true, Recompute::kCheap));
}

TEST(MemoryPlan, MicroBatchesHoldTheLimitAndCoverTheBatch) {
  EXPECT_EQ(micro_batch_rows(16, 256, 2048), 8);
  EXPECT_EQ(micro_batch_rows(17, 256, 2048), 6);  // three parts, the last padded by one row
  EXPECT_EQ(micro_batch_rows(1, 4096, 2048), 1);
  EXPECT_EQ(micro_batch_rows(64, 128, 2048), 16);
}

}  // namespace
}  // namespace pretrain
