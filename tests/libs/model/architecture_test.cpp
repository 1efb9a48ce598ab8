// SPDX-License-Identifier: Apache-2.0
// A second architecture, made for these tests: other names of tensors and keys, matrices stored as nn.Linear
// has them, and linear layers without biases. Only its description is new, so the walk, the parameters, the
// memory plan and config.json must follow it. It computes what gpt2 computes with biases of 0.

#include "libs/model/architecture.h"

#include <array>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/model/generation.h"
#include "libs/model/hugging_face_config.h"
#include "libs/model/memory_plan.h"
#include "libs/model/pass_memory.h"
#include "tests/libs/model/model_problem.h"
#include "tests/support/matchers.h"

namespace pretrain {
namespace {

using test::odd_model;
using test::Problem;

LinearSpec plain(std::string_view name) {
  return {.name = name, .order = MatrixOrder::kOutIn, .has_bias = false};
}

const Architecture& toy() {
  static const Architecture description{
      .name = "toy",
      .embedding = {.tokens = "model.embed_tokens", .positions = "model.embed_positions"},
      .layers = "model.layers",
      .layer = {AttentionSpec{.norm = {"input_layernorm"},
                              .qkv = plain("self_attn.qkv_proj"),
                              .output = plain("self_attn.o_proj")},
                MlpSpec{.norm = {"post_attention_layernorm"},
                        .up = plain("mlp.up_proj"),
                        .down = plain("mlp.down_proj")}},
      .head = {.norm = {"model.norm"}},
      .weights = {.optional_prefix = "model.", .tied_head = "head.weight", .ignored_suffixes = {}},
      .config = {{"hidden_size", SizeField{&ModelConfig::d_model}},
                 {"num_hidden_layers", SizeField{&ModelConfig::layers}},
                 {"num_attention_heads", SizeField{&ModelConfig::heads}},
                 {"intermediate_size",
                  SizeField{&ModelConfig::d_ff, [](const ModelConfig& c) { return 3 * c.d_model; }}},
                 {"vocab_size", SizeField{&ModelConfig::vocabulary}},
                 {"max_position_embeddings", SizeField{&ModelConfig::context}},
                 {"hidden_act", ComputationField{{"gelu_new"}}},
                 {"architectures", NoteField{nlohmann::json::array({"ToyForCausalLM"})}},
                 {"eos_token_id", EndOfTextField{}}}};
  return description;
}

ModelConfig of_toy(ModelConfig sizes) {
  sizes.architecture = &toy();
  return sizes;
}

ModelConfig read(const nlohmann::json& json) {
  const std::array known = {&gpt2(), &toy()};
  return config_from_hugging_face(json, known);
}

/// The name of a tensor of gpt2 in the toy.
std::string toy_name(std::string name) {
  static const std::vector<std::pair<std::string, std::string>> kParts = {
      {"transformer.wte", "model.embed_tokens"},
      {"transformer.wpe", "model.embed_positions"},
      {"transformer.h", "model.layers"},
      {"transformer.ln_f", "model.norm"},
      {"ln_1", "input_layernorm"},
      {"ln_2", "post_attention_layernorm"},
      {"attn.c_attn", "self_attn.qkv_proj"},
      {"attn.c_proj", "self_attn.o_proj"},
      {"mlp.c_fc", "mlp.up_proj"},
      {"mlp.c_proj", "mlp.down_proj"}};
  for (const auto& [from, to] : kParts) {
    if (const size_t at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
  }
  return name;
}

/// Copies the values of gpt2's layout into the toy's: matrices of linear layers are transposed, and biases,
/// which the toy does not have, are left out.
void copy_to_toy(const ParameterLayout& from, const float* values, const ParameterLayout& to, float* copy) {
  for (const ParameterInfo& tensor : from.tensors()) {
    const ParameterInfo* found = to.find(toy_name(tensor.name));
    if (found == nullptr) continue;
    const bool turned = found->order == MatrixOrder::kOutIn;
    const int64_t rows = tensor.shape.front();
    const int64_t columns = static_cast<int64_t>(tensor.size) / rows;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        const auto at = static_cast<size_t>(turned ? c * rows + r : r * columns + c);
        copy[found->offset + at] = values[tensor.offset + static_cast<size_t>(r * columns + c)];
      }
    }
  }
}

/// The same model twice: as gpt2 with biases of 0, and as the toy.
struct Twins {
  Twins() : gpt2(odd_model(), 3), toy(of_toy(odd_model()), 3) {
    for (const ParameterInfo& tensor : gpt2.layout.tensors()) {
      if (tensor.role == ParameterRole::kBias) std::fill_n(&gpt2.values[tensor.offset], tensor.size, 0.0F);
    }
    copy_to_toy(gpt2.layout, gpt2.values.data(), toy.layout, toy.values.data());
    toy.inputs = gpt2.inputs;
    toy.targets = gpt2.targets;
  }
  Problem gpt2, toy;
};

TEST(Architecture, IsFoundByItsNameAndNoOther) {
  EXPECT_EQ(find_architecture("gpt2"), &gpt2());
  EXPECT_EQ(find_architecture("toy"), nullptr);
  EXPECT_EQ(find_architecture(""), nullptr);
}

TEST(Architecture, ConfigComesBackAsTheArchitectureThatWroteIt) {
  const ModelConfig config = of_toy(odd_model());
  const nlohmann::json json = hugging_face_config(config, 7);
  const nlohmann::json expected = {{"model_type", "toy"},
                                   {"hidden_size", 24},
                                   {"num_hidden_layers", 2},
                                   {"num_attention_heads", 3},
                                   {"intermediate_size", 40},
                                   {"vocab_size", 71},
                                   {"max_position_embeddings", 9},
                                   {"hidden_act", "gelu_new"},
                                   {"architectures", {"ToyForCausalLM"}},
                                   {"eos_token_id", 7}};
  EXPECT_EQ(json, expected);
  EXPECT_EQ(read(json), config);
  EXPECT_EQ(read(hugging_face_config(odd_model(), 7)), odd_model());
  EXPECT_NE(read(json), odd_model());  // the same sizes are not the same model
}

TEST(Architecture, ReadsDefaultsAndRefusesOtherComputationsByItsOwnFields) {
  nlohmann::json json = hugging_face_config(of_toy(odd_model()), 7);
  json.erase("intermediate_size");
  EXPECT_EQ(read(json).d_ff, 3 * 24);
  json["hidden_act"] = "silu";
  EXPECT_THROW(read(json), Error);
  json.erase("hidden_act");
  json.erase("hidden_size");
  EXPECT_THROW(read(json), Error);
}

TEST(Architecture, OneThatARunCannotHaveIsRefusedWithThoseItCan) {
  try {
    config_from_hugging_face(hugging_face_config(of_toy(odd_model()), 7));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("toy"), testing::HasSubstr("gpt2")));
  }
}

TEST(Architecture, NamesAndShapesOfTensorsAreThoseOfTheDescription) {
  const ParameterLayout layout(of_toy(odd_model()));
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const ParameterInfo& tensor : layout.tensors()) shapes[tensor.name] = tensor.shape;
  std::map<std::string, std::vector<int64_t>> expected = {{"model.embed_tokens.weight", {71, 24}},
                                                          {"model.embed_positions.weight", {9, 24}},
                                                          {"model.norm.weight", {24}},
                                                          {"model.norm.bias", {24}}};
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    expected[layer + "input_layernorm.weight"] = {24};
    expected[layer + "input_layernorm.bias"] = {24};
    expected[layer + "self_attn.qkv_proj.weight"] = {72, 24};
    expected[layer + "self_attn.o_proj.weight"] = {24, 24};
    expected[layer + "post_attention_layernorm.weight"] = {24};
    expected[layer + "post_attention_layernorm.bias"] = {24};
    expected[layer + "mlp.up_proj.weight"] = {40, 24};
    expected[layer + "mlp.down_proj.weight"] = {24, 40};
  }
  EXPECT_EQ(shapes, expected);
}

TEST(Architecture, RolesAndStartsDoNotDependOnNames) {
  const ParameterLayout ours(odd_model());
  const ParameterLayout theirs(of_toy(odd_model()));
  size_t found = 0;
  for (const ParameterInfo& tensor : ours.tensors()) {
    const ParameterInfo* other = theirs.find(toy_name(tensor.name));
    ASSERT_EQ(other == nullptr, tensor.role == ParameterRole::kBias) << tensor.name;
    if (other == nullptr) continue;
    ++found;
    EXPECT_EQ(other->role, tensor.role) << tensor.name;
    EXPECT_EQ(other->decays, tensor.decays) << tensor.name;
    EXPECT_EQ(other->initial_std, tensor.initial_std) << tensor.name;
    EXPECT_EQ(other->initial_value, tensor.initial_value) << tensor.name;
  }
  EXPECT_EQ(found, theirs.tensors().size());
  EXPECT_EQ(matrix_parameters(odd_model()), matrix_parameters(of_toy(odd_model())));
}

TEST(Architecture, MemoryPlanCountsItsParametersAndTheSameActivations) {
  const ModelConfig ours = odd_model();
  const ModelConfig theirs = of_toy(odd_model());
  const MemoryPlan a = plan_memory({ours, 2}, 1, 0);
  const MemoryPlan b = plan_memory({theirs, 2}, 1, 0);
  const size_t fewer = ParameterLayout(ours).flat_size() - ParameterLayout(theirs).flat_size();
  EXPECT_GT(fewer, 0U);
  EXPECT_EQ(a.parameters - b.parameters, 2 * sizeof(float) * fewer);  // with their gradients
  EXPECT_EQ(a.activations, b.activations);
  EXPECT_EQ(a.packed, b.packed);
  EXPECT_EQ(a.scratch, b.scratch);
  EXPECT_EQ(PassMemory::size_floats({theirs, 2}), PassMemory::size_floats({ours, 2}));
}

TEST(Architecture, GradientsAreThoseOfTheSameModelByAnotherDescription) {
  const Twins twins;
  for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
    for (const Recompute recompute : {Recompute::kNone, Recompute::kCheap, Recompute::kLayers}) {
      SCOPED_TRACE(testing::Message() << precision_name(precision) << " " << static_cast<int>(recompute));
      double our_loss = 0;
      double their_loss = 0;
      // Micro-batches of one row: gradients are overwritten once and added to twice.
      const auto ours = test::gradients_of(twins.gpt2, 2, 1, 0.5F, &our_loss, recompute, precision);
      const auto theirs = test::gradients_of(twins.toy, 2, 1, 0.5F, &their_loss, recompute, precision);
      EXPECT_EQ(their_loss, our_loss);
      std::vector<float> expected(theirs.size(), 0.0F);
      copy_to_toy(twins.gpt2.layout, ours.data(), twins.toy.layout, expected.data());
      EXPECT_TRUE(test::all_close(std::span<const float>(theirs), std::span<const float>(expected), 1e-4));
    }
  }
}

TEST(Architecture, GeneratesTheSameLogitsByAnotherDescription) {
  const Twins twins;
  Compute compute(2);
  Generator ours(compute, twins.gpt2.config, twins.gpt2.layout, twins.gpt2.values.data());
  Generator theirs(compute, twins.toy.config, twins.toy.layout, twins.toy.values.data());
  for (const uint32_t token : {5U, 70U, 5U, 0U, 33U}) {
    const std::span<const float> expected = ours.feed(token);
    EXPECT_TRUE(test::all_close(theirs.feed(token), expected, 1e-4)) << token;
  }
}

}  // namespace
}  // namespace pretrain
