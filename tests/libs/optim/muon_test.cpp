// SPDX-License-Identifier: Apache-2.0
#include "libs/optim/muon.h"

#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "libs/model/architecture.h"
#include "libs/optim/gradient_norm.h"
#include "tests/libs/optim/optim_testing.h"
#include "tests/support/reference_muon.h"
#include "tests/support/scalar_adamw.h"
#include "tests/support/threads.h"

namespace pretrain {
namespace {

using test::random_values;
using test::ReferenceMuon;

/// Odd sizes: heads of 7 channels, 21 wide, an MLP of 33.
const ModelConfig kOdd{.layers = 2, .d_model = 21, .heads = 3, .d_ff = 33, .vocabulary = 19, .context = 5};
/// Eight large matrices, each done by one of two threads, by three or more together; and small ones.
const ModelConfig kLarge{
    .layers = 4, .d_model = 256, .heads = 4, .d_ff = 264, .vocabulary = 11, .context = 5};

ModelConfig with_architecture(ModelConfig config, const char* name) {
  config.architecture = find_architecture(name);
  config.tied = false;
  complete_choices(config);
  return config;
}

OptimizerOptions muon_options(const ModelConfig& config) {
  return {.kind = OptimizerKind::kMuon, .muon = {.head_size = config.head_size()}};
}

struct Training {
  Training(Compute& compute_with, const ParameterLayout& of, const OptimizerOptions& given)
      : compute(compute_with), layout(of), options(given), set(compute, of, make_optimizers(of, given)) {}

  void step(const std::vector<float>& gradients, std::vector<float>& parameters, double rate = 0.01) {
    GradientNorm norm(layout.flat_size());
    const double scale = clipping_scale(norm(compute, gradients.data()), options.gradient_clip);
    set.update({.learning_rate = rate, .gradient_scale = scale}, gradients.data(), parameters.data());
  }

  Compute& compute;
  const ParameterLayout& layout;
  OptimizerOptions options;
  OptimizerSet set;
};

/// The part of a matrix that is one function, by its name. {0, 0}: AdamW updates it.
std::pair<int64_t, int64_t> part_of(const ParameterInfo& tensor, int64_t head) {
  const auto is = [&](const char* end) { return tensor.name.ends_with(end); };
  const int64_t rows = tensor.shape[0], columns = tensor.shape.back();
  if (is("attn.c_attn.weight")) return {rows, head};
  if (is("attn.c_proj.weight")) return {head, columns};
  if (is("q_proj.weight") || is("k_proj.weight") || is("v_proj.weight")) return {head, columns};
  if (is("o_proj.weight")) return {rows, head};
  if (tensor.name.find("mlp.") != std::string::npos && is(".weight")) return {rows, columns};
  return {0, 0};
}

bool decays(const ParameterInfo& tensor) {
  return tensor.shape.size() == 2 && tensor.name != "transformer.wpe.weight";
}

/// All parameters by the formulas, in double precision.
class ReferenceUpdates {
 public:
  ReferenceUpdates(const ParameterLayout& layout, const std::vector<float>& parameters, int64_t head)
      : layout_(layout), adamw_(parameters.size()) {
    for (const ParameterInfo& tensor : layout.tensors()) {
      const auto [rows, columns] = part_of(tensor, head);
      const auto begin = parameters.begin() + static_cast<std::ptrdiff_t>(tensor.offset);
      const reference::Matrix p(begin, begin + static_cast<std::ptrdiff_t>(tensor.size));
      for (size_t i = 0; i < p.size(); ++i) adamw_[tensor.offset + i].p = p[i];
      if (rows > 0) {
        const bool is_conv1d = tensor.name.starts_with("transformer.");
        muon_.emplace(tensor.offset, ReferenceMuon{tensor.shape[0], tensor.shape[1], rows, columns, p,
                                                   reference::Matrix(p.size()), !is_conv1d});
      }
    }
  }

  void update(const std::vector<float>& gradients, double rate, double clip, double weight_decay,
              const test::ReferenceMuonOptions& options) {
    const double norm = test::norm_of(gradients);
    const double scale = clip > 0 && norm > clip ? clip / norm : 1;
    ++updates_;
    for (const ParameterInfo& tensor : layout_.tensors()) {
      reference::Matrix gradient;
      for (size_t i = 0; i < tensor.size; ++i)
        gradient.push_back(scale * static_cast<double>(gradients[tensor.offset + i]));
      const double decay = decays(tensor) ? weight_decay : 0;
      const auto found = muon_.find(tensor.offset);
      if (found != muon_.end()) {
        found->second.update(updates_, gradient, rate, decay, options);
        continue;
      }
      for (size_t i = 0; i < tensor.size; ++i)
        adamw_[tensor.offset + i].update(updates_, gradient[i], rate, decay);
    }
  }

  double at(const ParameterInfo& tensor, size_t i) const {
    const auto found = muon_.find(tensor.offset);
    return found == muon_.end() ? adamw_[tensor.offset + i].p : found->second.p[i];
  }
  size_t matrices() const { return muon_.size(); }

 private:
  const ParameterLayout& layout_;
  std::map<size_t, ReferenceMuon> muon_;  // by offset
  std::vector<test::ScalarAdamW> adamw_;
  int updates_ = 0;
};

/// `given` is what the fast version gets, the rest what it must mean by it.
void expect_updates_by_the_formula(const ModelConfig& config, const OptimizerOptions& given, double clip,
                                   double weight_decay, const test::ReferenceMuonOptions& meant) {
  Compute compute(2);
  const ParameterLayout layout(config);
  Training run(compute, layout, given);
  std::vector<float> parameters = random_values(layout, 1);
  ReferenceUpdates expected(layout, parameters, config.head_size());
  EXPECT_EQ(expected.matrices() * (meant.neuron_decay > 0 ? 2 : 1),
            run.set.state().size() - 2 * (layout.tensors().size() - expected.matrices()));
  for (uint64_t t = 1; t <= 3; ++t) {
    const std::vector<float> gradients = random_values(layout, 10 + t, 0.1);
    const double rate = 0.01 * static_cast<double>(t);
    run.step(gradients, parameters, rate);
    expected.update(gradients, rate, clip, weight_decay, meant);
  }
  for (const ParameterInfo& tensor : layout.tensors()) {
    for (size_t i = 0; i < tensor.size; ++i) {
      // Three updates of about 0.2 times a rate of 0.02 each, right within a thousandth of the largest element.
      ASSERT_NEAR(static_cast<double>(parameters[tensor.offset + i]), expected.at(tensor, i), 2e-5)
          << tensor.name << ", element " << i << " of " << tensor.size;
    }
  }
}

TEST(Muon, UpdatesEachElementByTheFormula) {
  const OptimizerOptions given{.kind = OptimizerKind::kMuon,
                               .weight_decay = 0.3,
                               .gradient_clip = 0.5,
                               .muon = {.momentum = 0.9, .momentum_warmup = 2, .head_size = 7}};
  expect_updates_by_the_formula(kOdd, given, 0.5, 0.3, {.momentum = 0.9, .momentum_warmup = 2});
}

TEST(Muon, UpdatesLargeMatricesByTheFormula) {
  expect_updates_by_the_formula(kLarge, muon_options(kLarge), 1, 0.1, {});
}

OptimizerOptions with_neurons(OptimizerOptions options, double decay = 0.9) {
  options.muon.neuron_decay = decay;
  return options;
}

TEST(Muon, DividesNeuronsByTheFormula) {
  ModelConfig even = kOdd;
  even.d_model = 24;
  for (const ModelConfig& config : {kOdd, kLarge, with_architecture(even, "qwen3")})
    expect_updates_by_the_formula(config, with_neurons(muon_options(config)), 1, 0.1, {.neuron_decay = 0.9});
}

TEST(Muon, HasTheDocumentedDefaults) {
  expect_updates_by_the_formula(kOdd, muon_options(kOdd), 1, 0.1,
                                {.momentum = 0.95, .first_momentum = 0.85, .momentum_warmup = 300});
}

TEST(Muon, KnowsTheHeadsOfEachArchitecture) {
  ModelConfig config = kOdd;
  config.d_model = 24;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_channels = 10;
  for (const char* name : {"llama", "qwen3"}) {
    const ModelConfig model = with_architecture(config, name);
    EXPECT_EQ(model.head_size(), 10);
    expect_updates_by_the_formula(model, muon_options(model), 1, 0.1, {});
  }
}

/// The reference must notice a wrong momentum, a missing look ahead, and heads taken together.
TEST(Muon, TheComparisonWouldNoticeOtherFormulas) {
  const ParameterLayout layout(kOdd);
  const std::vector<float> parameters = random_values(layout, 1);
  const auto after = [&](int64_t head, const test::ReferenceMuonOptions& options) {
    ReferenceUpdates updates(layout, parameters, head);
    for (uint64_t t = 1; t <= 3; ++t)
      updates.update(random_values(layout, 10 + t, 0.1), 0.01, 1, 0.1, options);
    const ParameterInfo& qkv = *layout.find("transformer.h.0.attn.c_attn.weight");
    std::vector<double> values;
    for (size_t i = 0; i < qkv.size; ++i) values.push_back(updates.at(qkv, i));
    return values;
  };
  const auto largest_difference = [](const std::vector<double>& a, const std::vector<double>& b) {
    double largest = 0;
    for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
    return largest;
  };
  const auto right = after(7, {});
  EXPECT_GT(largest_difference(right, after(21, {})), 4e-5);
  EXPECT_GT(largest_difference(right, after(7, {.first_momentum = 0.8})), 4e-5);
  EXPECT_GT(largest_difference(right, after(7, {.momentum_warmup = 3})), 4e-5);
  EXPECT_GT(largest_difference(right, after(7, {.neuron_decay = 0.9})), 4e-5);
  EXPECT_GT(largest_difference(after(7, {.neuron_decay = 0.5}), after(7, {.neuron_decay = 0.9})), 4e-5);
}

TEST(Muon, TheMomentumRisesOverItsWarmup) {
  const Muon muon({}, {}, {.momentum = 0.95, .momentum_warmup = 100});
  EXPECT_DOUBLE_EQ(muon.momentum_at(1), 0.85);
  EXPECT_DOUBLE_EQ(muon.momentum_at(51), 0.9);
  EXPECT_DOUBLE_EQ(muon.momentum_at(101), 0.95);
  EXPECT_DOUBLE_EQ(muon.momentum_at(1'000'000), 0.95);
  EXPECT_DOUBLE_EQ(Muon({}, {}, {.momentum = 0.95, .momentum_warmup = 0}).momentum_at(1), 0.95);
  EXPECT_DOUBLE_EQ(Muon({}, {}, {.momentum = 0.5, .momentum_warmup = 100}).momentum_at(1), 0.5)
      << "never falls";
}

void expect_elements_to_move_by_a_fifth(const ModelConfig& config, double neuron_decay) {
  Compute compute(2);
  const ParameterLayout layout(config);
  Training run(compute, layout,
               {.kind = OptimizerKind::kMuon,
                .weight_decay = 0,
                .muon = {.neuron_decay = neuron_decay, .head_size = config.head_size()}});
  std::vector<float> parameters(layout.flat_size());
  run.step(random_values(layout, 3), parameters, 0.01);
  for (const ParameterInfo& tensor : layout.tensors()) {
    if (part_of(tensor, config.head_size()).first == 0) continue;
    double squares = 0;
    for (size_t i = 0; i < tensor.size; ++i)
      squares += static_cast<double>(parameters[tensor.offset + i]) *
                 static_cast<double>(parameters[tensor.offset + i]);
    EXPECT_NEAR(std::sqrt(squares / static_cast<double>(tensor.size)), 0.002, 0.0002) << tensor.name;
  }
}

/// What makes one learning rate serve matrices of all shapes, and AdamW.
TEST(Muon, MovesElementsByAFifthOfTheRate) {
  for (const ModelConfig& config : {kOdd, kLarge}) {
    for (const double neuron_decay : {0.0, 0.95}) expect_elements_to_move_by_a_fifth(config, neuron_decay);
  }
}

TEST(Muon, WithoutAGradientOnlyDecays) {
  Compute compute(1);
  const ParameterLayout layout(kOdd);
  Training run(compute, layout, with_neurons({.kind = OptimizerKind::kMuon, .weight_decay = 0.1}));
  const std::vector<float> before = random_values(layout, 1);
  std::vector<float> parameters = before;
  run.step(std::vector<float>(layout.flat_size()), parameters, 0.5);
  for (const ParameterInfo& tensor : layout.tensors()) {
    const float factor = decays(tensor) ? 0.95F : 1.0F;
    for (size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i)
      ASSERT_NEAR(parameters[i], before[i] * factor, 1e-6F) << tensor.name;
  }
}

/// Against the same update without a decay, which says where each element moves.
TEST(Muon, ACautiousDecayIsOfElementsThatMoveTowardsZero) {
  Compute compute(2);
  const ParameterLayout layout(kOdd);
  OptimizerOptions options = muon_options(kOdd);
  const std::vector<float> before = random_values(layout, 1);
  const std::vector<float> gradients = random_values(layout, 2);
  const auto after = [&](double weight_decay, bool cautious) {
    options.weight_decay = weight_decay;
    options.cautious_decay = cautious;
    Training run(compute, layout, options);
    std::vector<float> parameters = before;
    run.step(gradients, parameters, 0.5);
    return parameters;
  };
  const std::vector<float> moved = after(0, false);
  const std::vector<float> cautious = after(0.1, true);
  size_t left_out = 0;
  for (const ParameterInfo& tensor : layout.tensors()) {
    for (size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
      const bool towards_zero = (before[i] - moved[i]) * before[i] >= 0;
      if (!towards_zero) ++left_out;
      const float decayed = decays(tensor) && towards_zero ? 0.05F * before[i] : 0.0F;
      ASSERT_NEAR(cautious[i], moved[i] - decayed, 1e-6F) << tensor.name;
    }
  }
  EXPECT_GT(left_out, before.size() / 3);
  EXPECT_LT(left_out, before.size() * 2 / 3);
}

TEST(Muon, LeavesWhatIsBetweenTensorsAsItIs) {
  Compute compute(1);
  const ParameterLayout layout(kOdd);
  Training run(compute, layout, muon_options(kOdd));
  std::vector<float> parameters(layout.flat_size(), 7.0F);
  run.step(std::vector<float>(layout.flat_size(), 1.0F), parameters);
  size_t end = 0;
  for (const ParameterInfo& tensor : layout.tensors()) {
    for (size_t i = end; i < tensor.offset; ++i) ASSERT_EQ(parameters[i], 7.0F) << "before " << tensor.name;
    end = tensor.offset + tensor.size;
  }
}

TEST(Muon, KeepsOneTensorOfEachMatrixAndAdamWTwoOfTheRest) {
  Compute compute(1);
  const ParameterLayout layout(kOdd);
  const Training run(compute, layout, muon_options(kOdd));
  std::set<std::string> expected;
  for (const ParameterInfo& tensor : layout.tensors()) {
    if (part_of(tensor, 7).first > 0) {
      expected.insert("momentum." + tensor.name);
    } else {
      expected.insert("m." + tensor.name);
      expected.insert("v." + tensor.name);
    }
  }
  std::set<std::string> names;
  for (const OptimizerSet::State& state : run.set.state()) names.insert(state.tensor.name);
  EXPECT_EQ(names, expected);
}

TEST(Muon, KeepsTheMeanSquaresOfNeuronsOfEachPart) {
  Compute compute(1);
  const ParameterLayout layout(kOdd);
  const Training run(compute, layout, with_neurons(muon_options(kOdd)));
  std::map<std::string, int64_t> neurons;
  for (const OptimizerSet::State& state : run.set.state()) {
    if (!state.tensor.name.starts_with("neurons.transformer.h.1.")) continue;
    EXPECT_FALSE(state.tensor.may_be_negative);
    ASSERT_EQ(state.tensor.shape.size(), 1U);
    neurons[state.tensor.name.substr(24)] = state.tensor.shape[0];
  }
  EXPECT_EQ(neurons,
            (std::map<std::string, int64_t>{{"attn.c_attn.weight", 63},
                                            {"attn.c_proj.weight", 3 * 21},  // 21 outputs of each head
                                            {"mlp.c_fc.weight", 33},
                                            {"mlp.c_proj.weight", 21}}));
}

/// The squares of an orthogonal matrix add up to its rank, 21 here; each neuron has 21 of its 33 x 21 elements.
TEST(Muon, TheMeanSquareOfANeuronIsThatOfOneOfItsWeights) {
  Compute compute(1);
  const ParameterLayout layout(kOdd);
  Training run(compute, layout, with_neurons(muon_options(kOdd), 0.9));
  std::vector<float> parameters = random_values(layout, 1);
  run.step(random_values(layout, 2), parameters);
  double sum = 0;
  for (const OptimizerSet::State& state : run.set.state()) {
    if (state.tensor.name != "neurons.transformer.h.0.mlp.c_fc.weight") continue;
    ASSERT_EQ(state.values.size(), 33U);
    for (const float mean : state.values) sum += static_cast<double>(mean);
  }
  EXPECT_NEAR(sum, (1 - 0.9) * 21 / 21, 0.02);
}

TEST(Muon, ContinuesBitForBitFromItsState) {
  Compute compute(2);
  const ParameterLayout layout(kOdd);
  OptimizerOptions options = with_neurons(muon_options(kOdd));
  options.muon.momentum_warmup = 8;
  options.cautious_decay = true;
  Training straight(compute, layout, options);
  Training resumed(compute, layout, options);
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
  EXPECT_EQ(resumed_parameters, parameters);
}

TEST(Muon, DoesNotDependOnTheNumberOfThreads) {
  const test::MoreThreads more_threads;
  const ParameterLayout layout(kLarge);
  const std::vector<float> gradients = random_values(layout, 1);
  const auto run = [&](int threads) {
    Compute compute(threads);
    Training training(compute, layout, with_neurons(muon_options(kLarge)));
    std::vector<float> parameters = random_values(layout, 2);
    for (int t = 0; t < 2; ++t) training.step(gradients, parameters);
    return parameters;
  };
  const std::vector<float> expected = run(1);
  for (const int threads : {2, 3, 4}) EXPECT_EQ(run(threads), expected) << threads;
}

TEST(Muon, FindsTheMatrixThatMapsInputsToOutputs) {
  Compute compute(1);
  const ParameterLayout layout(kOdd);
  Training run(
      compute, layout,
      {.kind = OptimizerKind::kMuon, .weight_decay = 0, .gradient_clip = 0, .muon = {.momentum = 0.5}});
  const std::vector<float> target = random_values(layout, 1);
  std::vector<float> parameters(layout.flat_size());
  std::vector<float> gradients(layout.flat_size());
  for (int t = 1; t <= 600; ++t) {
    for (size_t i = 0; i < gradients.size(); ++i) gradients[i] = parameters[i] - target[i];
    run.step(gradients, parameters, 0.1 * (1 - t / 600.0));
  }
  for (size_t i = 0; i < target.size(); ++i) ASSERT_NEAR(parameters[i], target[i], 5e-2F) << i;
}

}  // namespace
}  // namespace pretrain
