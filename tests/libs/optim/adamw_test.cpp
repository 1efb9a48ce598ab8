#include "libs/optim/adamw.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include "libs/base/rng.h"
#include "tests/support/scalar_adamw.h"

namespace pretrain {
namespace {

const ModelConfig kModel{.layers = 1, .d_model = 8, .heads = 2, .d_ff = 12, .vocabulary = 13, .context = 5};

/// Normal values in the tensors, zero between them.
std::vector<float> random_values(const ParameterLayout& layout, uint64_t seed, double deviation = 1.0) {
  Rng rng(seed);
  std::vector<float> values(layout.flat_size());
  for (const ParameterInfo& tensor : layout.tensors()) {
    for (size_t i = 0; i < tensor.size; ++i) {
      values[tensor.offset + i] = static_cast<float>(deviation * rng.normal());
    }
  }
  return values;
}

double norm_of(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

void step(AdamW& optimizer, const std::vector<float>& gradients, std::vector<float>& parameters,
          double learning_rate = 0.01) {
  optimizer.update(learning_rate, optimizer.gradient_norm(gradients.data()), gradients.data(),
                   parameters.data());
}

std::vector<float> copy(const Buffer<float>& buffer) {
  return {buffer.data(), buffer.data() + buffer.size()};
}

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
  void update(const std::vector<float>& gradients, double learning_rate, const AdamWOptions& options) {
    const double norm = norm_of(gradients);
    const double scale =
        options.gradient_clip > 0 && norm > options.gradient_clip ? options.gradient_clip / norm : 1;
    ++updates_;
    for (const ParameterInfo& tensor : layout_.tensors()) {
      const double decay = decays(tensor) ? options.weight_decay : 0;
      for (size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
        states_[i].update(updates_, scale * static_cast<double>(gradients[i]), learning_rate, decay,
                          {options.beta1, options.beta2, options.epsilon});
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
void expect_updates_by_the_formula(const AdamWOptions& given, const AdamWOptions& meant, double deviation) {
  Compute compute(2);
  const ParameterLayout layout(kManyPieces);
  AdamW optimizer(compute, layout, given);
  std::vector<float> parameters = random_values(layout, 1);
  ScalarUpdates expected(layout, parameters);
  for (uint64_t t = 1; t <= 4; ++t) {
    std::vector<float> gradients = uneven_gradients(layout, 10 + t);
    for (float& value : gradients) value *= static_cast<float>(deviation);
    const double rate = 0.01 * static_cast<double>(t);
    step(optimizer, gradients, parameters, rate);
    expected.update(gradients, rate, meant);
  }
  for (const ParameterInfo& tensor : layout.tensors()) {
    for (size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
      const test::ScalarAdamW& e = expected.at(i);
      // Betas rounded to float change 1 - beta by 1e-6 of it at most; the rest are rounding errors.
      // The terms of m may cancel; the root of v is about as large as they are. Denormals become zero.
      ASSERT_NEAR(static_cast<double>(optimizer.m()[i]), e.m, 1e-5 * (std::abs(e.m) + std::sqrt(e.v)) + 1e-30)
          << tensor.name;
      ASSERT_NEAR(static_cast<double>(optimizer.v()[i]), e.v, 1e-5 * e.v + 1e-37) << tensor.name;
      ASSERT_NEAR(static_cast<double>(parameters[i]), e.p, 3e-6)
          << tensor.name << ", element " << i - tensor.offset << " of " << tensor.size;
    }
  }
}

TEST(AdamW, UpdatesEachElementByTheFormula) {
  const AdamWOptions clipped{
      .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .weight_decay = 0.3, .gradient_clip = 5};
  expect_updates_by_the_formula(clipped, clipped, 1);
  const AdamWOptions free{
      .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .weight_decay = 0.3, .gradient_clip = 0};
  expect_updates_by_the_formula(free, free, 1);
}

TEST(AdamW, HasTheDocumentedDefaults) {
  const AdamWOptions documented{
      .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .weight_decay = 0.1, .gradient_clip = 1};
  expect_updates_by_the_formula({}, documented, 1);     // is clipped
  expect_updates_by_the_formula({}, documented, 1e-5);  // is not
}

TEST(AdamW, LeavesWhatIsBetweenTensorsAsItIs) {
  Compute compute(1);
  const ParameterLayout layout(kModel);
  AdamW optimizer(compute, layout, {});
  std::vector<float> parameters(layout.flat_size(), 7.0F);
  step(optimizer, std::vector<float>(layout.flat_size(), 1.0F), parameters);
  size_t end = 0;
  for (const ParameterInfo& tensor : layout.tensors()) {
    for (size_t i = end; i < tensor.offset; ++i) EXPECT_EQ(parameters[i], 7.0F) << "before " << tensor.name;
    end = tensor.offset + tensor.size;
  }
  for (size_t i = end; i < parameters.size(); ++i) EXPECT_EQ(parameters[i], 7.0F) << "at the end";
}

TEST(AdamW, MeasuresTheGlobalNorm) {
  Compute compute(1);
  const ParameterLayout layout(kModel);
  AdamW optimizer(compute, layout, {});
  const std::vector<float> gradients = random_values(layout, 1);
  EXPECT_NEAR(optimizer.gradient_norm(gradients.data()), norm_of(gradients), 1e-5 * norm_of(gradients));
}

TEST(AdamW, ConvergesOnAQuadratic) {
  Compute compute(1);
  const ParameterLayout layout(kModel);
  AdamW optimizer(compute, layout, {.weight_decay = 0, .gradient_clip = 0});
  const std::vector<float> target = random_values(layout, 1);
  std::vector<float> parameters(layout.flat_size());
  std::vector<float> gradients(layout.flat_size());
  for (int t = 1; t <= 1000; ++t) {
    // A steepness from 0.1 to 10: Adam does not care about scale.
    for (size_t i = 0; i < gradients.size(); ++i) {
      gradients[i] = std::pow(10.0F, static_cast<float>(i % 3) - 1.0F) * (parameters[i] - target[i]);
    }
    step(optimizer, gradients, parameters, 0.05 * (1 - t / 1000.0));
  }
  for (size_t i = 0; i < target.size(); ++i) EXPECT_NEAR(parameters[i], target[i], 1e-2F) << i;
}

TEST(AdamW, DecaysMatricesOnly) {
  Compute compute(1);
  const ParameterLayout layout(kModel);
  AdamW optimizer(compute, layout, {.weight_decay = 0.1});
  const std::vector<float> before = random_values(layout, 1);
  std::vector<float> parameters = before;
  step(optimizer, std::vector<float>(layout.flat_size()), parameters, 0.5);
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
  const ParameterLayout layout(kModel);
  AdamW clipping(compute, layout, {.beta1 = 0, .gradient_clip = 0.5});
  const std::vector<float> gradients = random_values(layout, 1);
  std::vector<float> parameters = random_values(layout, 2);
  step(clipping, gradients, parameters);
  // With beta1 = 0 the first moment is the clipped gradient.
  EXPECT_NEAR(norm_of(copy(clipping.m())), 0.5, 1e-6);
}

TEST(AdamW, ClippingIsAnUpdateWithTheScaledGradient) {
  Compute compute(1);
  const ParameterLayout layout(kModel);
  AdamW clipping(compute, layout, {.gradient_clip = 0.5});
  AdamW plain(compute, layout, {.gradient_clip = 0});
  const std::vector<float> gradients = random_values(layout, 1);
  std::vector<float> scaled = gradients;
  const auto factor = static_cast<float>(0.5 / clipping.gradient_norm(gradients.data()));
  for (float& value : scaled) value *= factor;
  std::vector<float> clipped_parameters = random_values(layout, 2);
  std::vector<float> parameters = clipped_parameters;
  step(clipping, gradients, clipped_parameters);
  step(plain, scaled, parameters);
  EXPECT_EQ(clipped_parameters, parameters);
  EXPECT_EQ(copy(clipping.v()), copy(plain.v()));
}

TEST(AdamW, LeavesASmallGradientAsItIs) {
  Compute compute(1);
  const ParameterLayout layout(kModel);
  AdamW clipping(compute, layout, {.gradient_clip = 1});
  AdamW plain(compute, layout, {.gradient_clip = 0});
  const std::vector<float> gradients = random_values(layout, 1, 1e-3);
  std::vector<float> clipped_parameters = random_values(layout, 2);
  std::vector<float> parameters = clipped_parameters;
  step(clipping, gradients, clipped_parameters);
  step(plain, gradients, parameters);
  EXPECT_EQ(clipped_parameters, parameters);
}

TEST(AdamW, FindsOneBadGradientAnywhere) {
  Compute compute(1);
  const ParameterLayout layout(kModel);
  AdamW optimizer(compute, layout, {});
  std::vector<float> gradients = random_values(layout, 1);
  for (size_t i = 0; i < gradients.size(); ++i) {
    const float kept = gradients[i];
    gradients[i] =
        i % 2 == 0 ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
    ASSERT_FALSE(std::isfinite(optimizer.gradient_norm(gradients.data()))) << i;
    gradients[i] = kept;
  }
}

TEST(AdamW, ContinuesBitForBitFromItsState) {
  Compute compute(1);
  const ParameterLayout layout(kModel);
  AdamW straight(compute, layout, {});
  AdamW resumed(compute, layout, {});
  std::vector<float> parameters = random_values(layout, 1);
  std::vector<float> resumed_parameters;
  for (uint64_t t = 0; t < 10; ++t) {
    if (t == 5) {
      resumed_parameters = parameters;
      std::copy_n(straight.m().data(), straight.m().size(), resumed.m().data());
      std::copy_n(straight.v().data(), straight.v().size(), resumed.v().data());
      resumed.set_updates(straight.updates());
    }
    const std::vector<float> gradients = random_values(layout, 100 + t);
    step(straight, gradients, parameters);
    if (t >= 5) step(resumed, gradients, resumed_parameters);
  }
  EXPECT_EQ(straight.updates(), 10U);
  EXPECT_EQ(resumed_parameters, parameters);
  EXPECT_EQ(copy(resumed.m()), copy(straight.m()));
  EXPECT_EQ(copy(resumed.v()), copy(straight.v()));
}

TEST(AdamW, DoesNotDependOnTheNumberOfThreads) {
  const tbb::global_control more_threads(tbb::global_control::max_allowed_parallelism, 8);
  const ParameterLayout layout(kManyPieces);
  const std::vector<float> gradients = random_values(layout, 1);
  const auto run = [&](int threads) {
    Compute compute(threads);
    AdamW optimizer(compute, layout, {});
    std::vector<float> parameters = random_values(layout, 2);
    for (int t = 0; t < 3; ++t) step(optimizer, gradients, parameters);
    return parameters;
  };
  const std::vector<float> expected = run(1);
  EXPECT_EQ(run(2), expected);
  EXPECT_EQ(run(3), expected);
}

}  // namespace
}  // namespace pretrain
