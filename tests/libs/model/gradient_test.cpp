// SPDX-License-Identifier: Apache-2.0
// Every gradient of the model, element by element, against the reference in double precision: at sizes beyond
// each length at which the fast model cuts its work into pieces.

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/libs/model/model_problem.h"
#include "tests/support/matchers.h"
#include "tests/support/reference_gpt2.h"

namespace pretrain {
namespace {

using test::gradients_of;
using test::odd_model;
using test::Problem;

/// The part of a flat array that is one tensor's.
template <typename T>
std::span<const T> part(const std::vector<T>& flat, const ParameterInfo& tensor) {
  return std::span(flat).subspan(tensor.offset, tensor.size);
}

std::vector<double> expected_gradients(const Problem& p) {
  return test::reference_gradients(p.config, p.layout, p.as_double(), p.inputs, p.targets);
}

TEST(ReferenceModel, GradientsOfEveryTensorAgreeWithCentralDifferences) {
  const Problem p(odd_model(), 3);
  const std::vector<double> gradients = expected_gradients(p);
  std::vector<double> values = p.as_double();
  Rng rng(11);
  for (const ParameterInfo& tensor : p.layout.tensors()) {
    std::vector<double> expected, actual;
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
      actual.push_back(gradients[i]);
    }
    EXPECT_TRUE(test::all_close(actual, expected, 1e-5)) << tensor.name;
  }
}

/// A model and what about its size matters.
struct Size {
  const char* name;
  ModelConfig config;
  int64_t rows;
};

const std::vector<Size> kSizes{
    {"odd sizes, nothing is a multiple of a vector, a panel or a tile", odd_model(), 3},
    {"1,200 positions: the head works in chunks of 512",
     {.layers = 2, .d_model = 24, .heads = 3, .d_ff = 40, .vocabulary = 71, .context = 100},
     12},
    {"a context of 1,030: more than 20 blocks of queries",
     {.layers = 1, .d_model = 16, .heads = 2, .d_ff = 24, .vocabulary = 50, .context = 1030},
     1},
    {"ids that need more than 16 bits: the head works in chunks of 64",
     {.layers = 1, .d_model = 8, .heads = 1, .d_ff = 16, .vocabulary = 70'001, .context = 25},
     6},
    {"sums of more than 512 and 1,024 terms, matrices of more than 65,536 elements",
     {.layers = 1, .d_model = 264, .heads = 2, .d_ff = 1100, .vocabulary = 90, .context = 35},
     2},
    {"many layers", {.layers = 9, .d_model = 12, .heads = 2, .d_ff = 20, .vocabulary = 40, .context = 7}, 4}};

TEST(Gradients, OfEveryElementAgreeWithTheDoubleReferenceAtAllSizes) {
  for (const Size& size : kSizes) {
    SCOPED_TRACE(size.name);
    const Problem p(size.config, size.rows);
    const std::vector<float> actual = gradients_of(p, 2, p.rows, 1.0F);
    const std::vector<double> expected = expected_gradients(p);
    for (const ParameterInfo& tensor : p.layout.tensors()) {
      EXPECT_TRUE(test::all_close(part(actual, tensor), part(expected, tensor), 2e-4)) << tensor.name;
    }
  }
}

TEST(Gradients, OfMicroBatchesAddUpToTheDoubleReference) {
  for (const Size& size : kSizes) {
    if (size.rows < 2) continue;
    SCOPED_TRACE(size.name);
    const Problem p(size.config, size.rows);
    const std::vector<float> actual = gradients_of(p, 2, p.rows % 2 == 0 ? p.rows / 2 : 1, 0.5F);
    std::vector<double> expected = expected_gradients(p);
    for (double& value : expected) value *= 0.5;
    for (const ParameterInfo& tensor : p.layout.tensors()) {
      EXPECT_TRUE(test::all_close(part(actual, tensor), part(expected, tensor), 2e-4)) << tensor.name;
    }
  }
}

/// Root mean square of the differences, as a share of that of the expected values.
double relative_distance(std::span<const float> actual, std::span<const double> expected) {
  double difference = 0;
  double size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(static_cast<double>(actual[i]) - expected[i], 2);
    size += std::pow(expected[i], 2);
  }
  return std::sqrt(difference / size);
}

/// The operands are rounded by up to 1/256 each, at random, and large weights pass that on; a piece that is
/// lost or counted twice moves a gradient by a third of its size at least.
TEST(Gradients, InBf16AreNearTheDoubleReferenceAtAllSizes) {
  for (const Size& size : kSizes) {
    SCOPED_TRACE(size.name);
    const Problem p(size.config, size.rows);
    const std::vector<float> actual =
        gradients_of(p, 2, p.rows, 1.0F, nullptr, Recompute::kCheap, Precision::kBf16);
    const std::vector<double> expected = expected_gradients(p);
    for (const ParameterInfo& tensor : p.layout.tensors()) {
      EXPECT_LT(relative_distance(part(actual, tensor), part(expected, tensor)), 0.1) << tensor.name;
    }
  }
}

TEST(Gradients, DoNotDependOnWhatIsRecomputedAtAllSizes) {
  for (const Size& size : kSizes) {
    SCOPED_TRACE(size.name);
    const Problem p(size.config, size.rows);
    const std::vector<float> kept = gradients_of(p, 2, p.rows, 1.0F, nullptr, Recompute::kNone);
    for (const Recompute recompute : {Recompute::kCheap, Recompute::kLayers})
      EXPECT_EQ(kept, gradients_of(p, 2, p.rows, 1.0F, nullptr, recompute));
  }
}

TEST(Loss, AgreesWithTheDoubleReferenceAtAllSizes) {
  for (const Size& size : kSizes) {
    SCOPED_TRACE(size.name);
    const Problem p(size.config, size.rows);
    double trained = 0;
    gradients_of(p, 2, p.rows, 1.0F, &trained);
    Compute compute(2);
    Transformer model(compute, {p.config, p.rows, false});
    model.use_parameters(p.values.data());
    const double evaluated = model.evaluate(p.inputs.data(), p.targets.data());
    const double expected = test::reference_loss(p.config, p.layout, p.as_double(), p.inputs, p.targets);
    EXPECT_NEAR(trained, expected, 1e-5 * expected);
    EXPECT_NEAR(evaluated, expected, 1e-5 * expected);
  }
}

TEST(Logits, AgreeWithTheDoubleReferenceBeyondOneChunk) {
  const Problem p(kSizes[1].config, kSizes[1].rows);
  Compute compute(2);
  Transformer model(compute, {p.config, p.rows, false});
  model.use_parameters(p.values.data());
  model.evaluate(p.inputs.data(), p.targets.data());
  std::vector<float> logits(p.inputs.size() * static_cast<size_t>(p.config.vocabulary));
  model.logits(logits.data());
  EXPECT_TRUE(
      test::all_close(logits, test::reference_logits(p.config, p.layout, p.as_double(), p.inputs), 1e-5));
}

/// Packed copies of the parameters are kept between passes, so each has to be made again.
TEST(Gradients, AfterAChangeOfTheParametersAreThoseOfTheNewOnes) {
  for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
    SCOPED_TRACE(precision_name(precision));
    const Problem before(odd_model(), 3, 5);
    Problem after(odd_model(), 3, 6);
    Compute compute(2);
    Transformer model(compute, {before.config, before.rows, true, Recompute::kCheap, precision});
    std::vector<float> gradients(before.layout.flat_size());
    model.use_parameters(before.values.data());
    model.forward_backward(before.inputs.data(), before.targets.data(), 1.0F, false, gradients.data());
    model.use_parameters(after.values.data());
    const double loss =
        model.forward_backward(after.inputs.data(), after.targets.data(), 1.0F, false, gradients.data());
    double expected_loss = 0;
    EXPECT_EQ(gradients, gradients_of(after, 2, 3, 1.0F, &expected_loss, Recompute::kCheap, precision));
    EXPECT_EQ(loss, expected_loss);
    EXPECT_EQ(model.evaluate(after.inputs.data(), after.targets.data()), expected_loss);
  }
}

}  // namespace
}  // namespace pretrain
