// SPDX-License-Identifier: Apache-2.0
#include "libs/optim/adamw.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include "libs/optim/gradient_norm.h"
#include "tests/libs/optim/optim_testing.h"
#include "tests/support/scalar_adamw.h"

namespace pretrain {
namespace {

using test::norm_of;
using test::random_values;

/// AdamW over all tensors as a run has it, with clipping.
struct Training {
  Training(Compute& compute_with, const ParameterLayout& of, const OptimizerOptions& given)
      : compute(compute_with),
        layout(of),
        options(given),
        set(compute, layout, make_optimizers(layout, given)) {}

  void step(const std::vector<float>& gradients, std::vector<float>& parameters,
            double learning_rate = 0.01) {
    GradientNorm norm(layout.flat_size());
    const double scale = clipping_scale(norm(compute, gradients.data()), options.gradient_clip);
    set.update({.learning_rate = learning_rate, .gradient_scale = scale}, gradients.data(),
               parameters.data());
  }
  std::vector<float> m() const { return test::kept(set, layout, "m."); }
  std::vector<float> v() const { return test::kept(set, layout, "v."); }

  Compute& compute;
  const ParameterLayout& layout;
  OptimizerOptions options;
  OptimizerSet set;
};

/// The embedding alone has three pieces of 65,536 elements, and `up` has one and a half.
const ModelConfig kManyPieces{
    .layers = 1, .d_model = 64, .heads = 2, .d_ff = 1600, .vocabulary = 2500, .context = 5};

/// Whether the reference lets it decay: matrices, but not the embedding of positions.
bool decays(const ParameterInfo& tensor) {
  return tensor.shape.size() == 2 && tensor.name != "transformer.wpe.weight";
}

/// All parameters by the formula, in double precision.
class ScalarUpdates {
 public:
  ScalarUpdates(const ParameterLayout& layout, const std::vector<float>& parameters) : layout_(layout) {
    for (const float p : parameters) states_.push_back({.p = static_cast<double>(p)});
  }
  void update(const std::vector<float>& gradients, double learning_rate, const OptimizerOptions& options) {
    const double norm = norm_of(gradients);
    const double scale =
        options.gradient_clip > 0 && norm > options.gradient_clip ? options.gradient_clip / norm : 1;
    ++updates_;
    for (const ParameterInfo& tensor : layout_.tensors()) {
      const double decay = decays(tensor) ? options.weight_decay : 0;
      for (size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
        states_[i].update(updates_, scale * static_cast<double>(gradients[i]), learning_rate, decay,
                          {options.adamw.beta1, options.adamw.beta2, options.adamw.epsilon});
      }
    }
  }
  const test::ScalarAdamW& at(size_t i) const { return states_[i]; }

 private:
  const ParameterLayout& layout_;
  std::vector<test::ScalarAdamW> states_;
  int updates_ = 0;
};

/// Gradients of very different sizes: around epsilon, where it counts, and far above it.
std::vector<float> uneven_gradients(const ParameterLayout& layout, uint64_t seed) {
  std::vector<float> gradients = random_values(layout, seed);
  for (size_t i = 0; i < gradients.size(); ++i) gradients[i] *= std::pow(10.0F, -static_cast<float>(i % 11));
  return gradients;
}

/// `given` is what the fast version gets, `meant` what it must mean by it.
void expect_updates_by_the_formula(const OptimizerOptions& given, const OptimizerOptions& meant,
                                   double deviation) {
  Compute compute(2);
  const ParameterLayout layout(kManyPieces);
  Training run(compute, layout, given);
  std::vector<float> parameters = random_values(layout, 1);
  ScalarUpdates expected(layout, parameters);
  for (uint64_t t = 1; t <= 4; ++t) {
    std::vector<float> gradients = uneven_gradients(layout, 10 + t);
    for (float& value : gradients) value *= static_cast<float>(deviation);
    const double rate = 0.01 * static_cast<double>(t);
    run.step(gradients, parameters, rate);
    expected.update(gradients, rate, meant);
  }
  const std::vector<float> m = run.m();
  const std::vector<float> v = run.v();
  for (const ParameterInfo& tensor : layout.tensors()) {
    for (size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
      const test::ScalarAdamW& e = expected.at(i);
      // Betas rounded to float change 1 - beta by 1e-6 of it at most; the rest are rounding errors.
      // The terms of m may cancel; the root of v is about as large as they are. Denormals become zero.
      ASSERT_NEAR(static_cast<double>(m[i]), e.m, 1e-5 * (std::abs(e.m) + std::sqrt(e.v)) + 1e-30)
          << tensor.name;
      ASSERT_NEAR(static_cast<double>(v[i]), e.v, 1e-5 * e.v + 1e-37) << tensor.name;
      ASSERT_NEAR(static_cast<double>(parameters[i]), e.p, 3e-6)
          << tensor.name << ", element " << i - tensor.offset << " of " << tensor.size;
    }
  }
}

TEST(AdamW, UpdatesEachElementByTheFormula) {
  const OptimizerOptions clipped{
      .weight_decay = 0.3, .gradient_clip = 5, .adamw = {.beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6}};
  expect_updates_by_the_formula(clipped, clipped, 1);
  const OptimizerOptions free{
      .weight_decay = 0.3, .gradient_clip = 0, .adamw = {.beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6}};
  expect_updates_by_the_formula(free, free, 1);
}

/// After one update, when the gradient says without rounding which way each element moves.
TEST(AdamW, ACautiousDecayFollowsTheFormulaInEveryPieceOfATensor) {
  Compute compute(2);
  const ParameterLayout layout(kManyPieces);
  Training run(compute, layout, {.weight_decay = 0.3, .gradient_clip = 0, .cautious_decay = true});
  const std::vector<float> before = random_values(layout, 1);
  const std::vector<float> gradients = random_values(layout, 2);
  std::vector<float> parameters = before;
  run.step(gradients, parameters, 0.5);
  for (const ParameterInfo& tensor : layout.tensors()) {
    for (size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
      test::ScalarAdamW expected{.p = static_cast<double>(before[i])};
      expected.update(1, static_cast<double>(gradients[i]), 0.5, decays(tensor) ? 0.3 : 0,
                      {.cautious_decay = true});
      ASSERT_NEAR(static_cast<double>(parameters[i]), expected.p, 3e-6)
          << tensor.name << ", element " << i - tensor.offset << " of " << tensor.size;
    }
  }
}

TEST(AdamW, HasTheDocumentedDefaults) {
  const OptimizerOptions documented{
      .weight_decay = 0.1, .gradient_clip = 1, .adamw = {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8}};
  expect_updates_by_the_formula({}, documented, 1);     // is clipped
  expect_updates_by_the_formula({}, documented, 1e-5);  // is not
}

TEST(AdamW, AHalfLifeInTokensIsTheSameForAnyBatch) {
  EXPECT_DOUBLE_EQ(beta2_of_half_life(1000, 1000), 0.5);
  const double small = beta2_of_half_life(512, 1e6);
  EXPECT_NEAR(std::pow(small, 4), beta2_of_half_life(2048, 1e6), 1e-12);
  EXPECT_NEAR(beta2_of_half_life(524'288, 7e6), 0.95, 0.001) << "usual for half a million tokens";
}

TEST(AdamW, LeavesWhatIsBetweenTensorsAsItIs) {
  Compute compute(1);
  const ParameterLayout layout(test::kTinyModel);
  Training optimizer(compute, layout, {});
  std::vector<float> parameters(layout.flat_size(), 7.0F);
  optimizer.step(std::vector<float>(layout.flat_size(), 1.0F), parameters);
  size_t end = 0;
  for (const ParameterInfo& tensor : layout.tensors()) {
    for (size_t i = end; i < tensor.offset; ++i) EXPECT_EQ(parameters[i], 7.0F) << "before " << tensor.name;
    end = tensor.offset + tensor.size;
  }
  for (size_t i = end; i < parameters.size(); ++i) EXPECT_EQ(parameters[i], 7.0F) << "at the end";
}

TEST(AdamW, ConvergesOnAQuadratic) {
  Compute compute(1);
  const ParameterLayout layout(test::kTinyModel);
  Training optimizer(compute, layout, {.weight_decay = 0, .gradient_clip = 0});
  const std::vector<float> target = random_values(layout, 1);
  std::vector<float> parameters(layout.flat_size());
  std::vector<float> gradients(layout.flat_size());
  for (int t = 1; t <= 1000; ++t) {
    // A steepness from 0.1 to 10: Adam does not care about scale.
    for (size_t i = 0; i < gradients.size(); ++i) {
      gradients[i] = std::pow(10.0F, static_cast<float>(i % 3) - 1.0F) * (parameters[i] - target[i]);
    }
    optimizer.step(gradients, parameters, 0.05 * (1 - t / 1000.0));
  }
  for (size_t i = 0; i < target.size(); ++i) EXPECT_NEAR(parameters[i], target[i], 1e-2F) << i;
}

TEST(AdamW, DecaysMatricesOnly) {
  Compute compute(1);
  const ParameterLayout layout(test::kTinyModel);
  Training optimizer(compute, layout, {.weight_decay = 0.1});
  const std::vector<float> before = random_values(layout, 1);
  std::vector<float> parameters = before;
  optimizer.step(std::vector<float>(layout.flat_size()), parameters, 0.5);
  for (const ParameterInfo& tensor : layout.tensors()) {
    const bool is_matrix = decays(tensor);
    for (size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
      EXPECT_NEAR(parameters[i], before[i] * (is_matrix ? 0.95F : 1.0F), is_matrix ? 1e-6F : 0.0F)
          << tensor.name;
    }
  }
}

TEST(AdamW, ClipsToTheNormExactly) {
  Compute compute(1);
  const ParameterLayout layout(test::kTinyModel);
  Training clipping(compute, layout, {.gradient_clip = 0.5, .adamw = {.beta1 = 0}});
  const std::vector<float> gradients = random_values(layout, 1);
  std::vector<float> parameters = random_values(layout, 2);
  clipping.step(gradients, parameters);
  // With beta1 = 0 the first moment is the clipped gradient.
  EXPECT_NEAR(norm_of(clipping.m()), 0.5, 1e-6);
}

TEST(AdamW, ClippingIsAnUpdateWithTheScaledGradient) {
  Compute compute(1);
  const ParameterLayout layout(test::kTinyModel);
  Training clipping(compute, layout, {.gradient_clip = 0.5});
  Training plain(compute, layout, {.gradient_clip = 0});
  const std::vector<float> gradients = random_values(layout, 1);
  std::vector<float> scaled = gradients;
  const auto factor = static_cast<float>(0.5 / GradientNorm(layout.flat_size())(compute, gradients.data()));
  for (float& value : scaled) value *= factor;
  std::vector<float> clipped_parameters = random_values(layout, 2);
  std::vector<float> parameters = clipped_parameters;
  clipping.step(gradients, clipped_parameters);
  plain.step(scaled, parameters);
  EXPECT_EQ(clipped_parameters, parameters);
  EXPECT_EQ(clipping.v(), plain.v());
}

TEST(AdamW, LeavesASmallGradientAsItIs) {
  Compute compute(1);
  const ParameterLayout layout(test::kTinyModel);
  Training clipping(compute, layout, {.gradient_clip = 1});
  Training plain(compute, layout, {.gradient_clip = 0});
  const std::vector<float> gradients = random_values(layout, 1, 1e-3);
  std::vector<float> clipped_parameters = random_values(layout, 2);
  std::vector<float> parameters = clipped_parameters;
  clipping.step(gradients, clipped_parameters);
  plain.step(gradients, parameters);
  EXPECT_EQ(clipped_parameters, parameters);
}

TEST(AdamW, ContinuesBitForBitFromItsState) {
  Compute compute(1);
  const ParameterLayout layout(test::kTinyModel);
  Training straight(compute, layout, {});
  Training resumed(compute, layout, {});
  std::vector<float> parameters = random_values(layout, 1);
  std::vector<float> resumed_parameters;
  for (uint64_t t = 0; t < 10; ++t) {
    if (t == 5) {
      resumed_parameters = parameters;
      for (size_t i = 0; i < straight.set.state().size(); ++i)
        std::ranges::copy(straight.set.state()[i].values, resumed.set.state()[i].values.begin());
      resumed.set.set_updates(straight.set.updates());
    }
    const std::vector<float> gradients = random_values(layout, 100 + t);
    straight.step(gradients, parameters);
    if (t >= 5) resumed.step(gradients, resumed_parameters);
  }
  EXPECT_EQ(straight.set.updates(), 10U);
  EXPECT_EQ(resumed_parameters, parameters);
  EXPECT_EQ(resumed.m(), straight.m());
  EXPECT_EQ(resumed.v(), straight.v());
}

TEST(AdamW, DoesNotDependOnTheNumberOfThreads) {
  const tbb::global_control more_threads(tbb::global_control::max_allowed_parallelism, 8);
  const ParameterLayout layout(kManyPieces);
  const std::vector<float> gradients = random_values(layout, 1);
  const auto run = [&](int threads) {
    Compute compute(threads);
    Training optimizer(compute, layout, {});
    std::vector<float> parameters = random_values(layout, 2);
    for (int t = 0; t < 3; ++t) optimizer.step(gradients, parameters);
    return parameters;
  };
  const std::vector<float> expected = run(1);
  EXPECT_EQ(run(2), expected);
  EXPECT_EQ(run(3), expected);
}

}  // namespace
}  // namespace pretrain
