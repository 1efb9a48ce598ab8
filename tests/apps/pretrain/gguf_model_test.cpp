// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/gguf_model.h"

#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/model/architecture.h"
#include "libs/model/parameters.h"

namespace pretrain {
namespace {

using testing::Contains;
using testing::ElementsAre;

/// Sizes that are all different, with half as many key-value heads where the architecture has a choice.
ModelConfig config_of(const Architecture& architecture) {
  ModelConfig config{.architecture = &architecture,
                     .layers = 2,
                     .d_model = 64,
                     .heads = 4,
                     .d_ff = 96,
                     .vocabulary = 300,
                     .context = 32};
  if (architecture.choices) {
    config.kv_heads = 2;
    config.head_channels = 8;
    config.rope_theta = 50'000;
    config.tied = false;
  }
  complete_choices(config);
  return config;
}

const ParameterInfo& tensor_of(const ParameterLayout& layout, std::string_view name) {
  const ParameterInfo* found = layout.find(name);
  EXPECT_NE(found, nullptr) << name;
  return *found;
}

GgufTensor place_of(const ModelConfig& config, std::string_view name, ElementType type) {
  return gguf_tensor(config, tensor_of(ParameterLayout(config), name), type);
}

TEST(GgufModel, EveryTensorOfEveryArchitectureHasAPlaceOfItsOwn) {
  for (const Architecture* architecture : architectures()) {
    const ModelConfig config = config_of(*architecture);
    const ParameterLayout layout(config);
    std::set<std::string> names;
    for (const ParameterInfo& tensor : layout.tensors()) {
      const GgufTensor there = gguf_tensor(config, tensor, ElementType::kF16);
      EXPECT_TRUE(names.insert(there.name).second) << there.name;
      EXPECT_EQ(element_count(there), tensor.size) << there.name;
    }
    EXPECT_THAT(names, Contains("token_embd.weight"));
    EXPECT_THAT(names, Contains("blk.1.ffn_down.weight"));
  }
}

TEST(GgufModel, AMatrixOfGpt2IsTransposed) {
  EXPECT_EQ(place_of(config_of(gpt2()), "transformer.h.1.attn.c_attn.weight", ElementType::kQ8_0),
            (GgufTensor{"blk.1.attn_qkv.weight", {192, 64}, ElementType::kQ8_0}));
  EXPECT_EQ(place_of(config_of(gpt2()), "transformer.wte.weight", ElementType::kBf16),
            (GgufTensor{"token_embd.weight", {300, 64}, ElementType::kBf16}));
}

TEST(GgufModel, AMatrixOfLlamaKeepsItsShape) {
  EXPECT_EQ(place_of(config_of(llama()), "model.layers.1.self_attn.k_proj.weight", ElementType::kF16),
            (GgufTensor{"blk.1.attn_k.weight", {16, 64}, ElementType::kF16}));
  EXPECT_EQ(place_of(config_of(qwen3()), "lm_head.weight", ElementType::kQ8_0),
            (GgufTensor{"output.weight", {300, 64}, ElementType::kQ8_0}));
  EXPECT_EQ(place_of(config_of(qwen3()), "model.layers.0.self_attn.q_norm.weight", ElementType::kQ8_0),
            (GgufTensor{"blk.0.attn_q_norm.weight", {8}, ElementType::kF32}));
}

TEST(GgufModel, PositionsNormsAndBiasesStayF32) {
  for (const ElementType type : {ElementType::kF16, ElementType::kBf16, ElementType::kQ8_0}) {
    EXPECT_EQ(place_of(config_of(gpt2()), "transformer.wpe.weight", type),
              (GgufTensor{"position_embd.weight", {32, 64}, ElementType::kF32}));
    EXPECT_EQ(place_of(config_of(gpt2()), "transformer.ln_f.weight", type),
              (GgufTensor{"output_norm.weight", {64}, ElementType::kF32}));
    EXPECT_EQ(place_of(config_of(gpt2()), "transformer.h.0.mlp.c_fc.bias", type),
              (GgufTensor{"blk.0.ffn_up.bias", {96}, ElementType::kF32}));
  }
}

/// Rows are those of the file: of c_fc [C, F] that is C.
TEST(GgufModel, RowsThatAreNoWholeBlocksBecomeF16) {
  ModelConfig config = config_of(gpt2());
  config.d_ff = 100;
  EXPECT_EQ(place_of(config, "transformer.h.0.mlp.c_fc.weight", ElementType::kQ8_0).type, ElementType::kQ8_0);
  EXPECT_EQ(place_of(config, "transformer.h.0.mlp.c_proj.weight", ElementType::kQ8_0).type,
            ElementType::kF16);
}

/// Elements named by their row.
std::vector<float> rows_there(const ModelConfig& config, std::string_view name) {
  const ParameterLayout layout(config);
  const ParameterInfo& tensor = tensor_of(layout, name);
  const auto columns = static_cast<size_t>(tensor.shape.back());
  std::vector<float> here(tensor.size), there(tensor.size), back(tensor.size);
  for (size_t i = 0; i < here.size(); ++i) here[i] = static_cast<float>(i / columns);
  to_gguf_order(config, tensor, here, there);
  from_gguf_order(config, tensor, there, back);
  EXPECT_EQ(back, here) << name;
  std::vector<float> rows;
  for (size_t i = 0; i < there.size(); i += columns) rows.push_back(there[i]);
  return rows;
}

TEST(GgufModel, LlamaTurnsNeighbouringChannelsThere) {
  const auto config = config_of(llama());
  EXPECT_THAT(rows_there(config, "model.layers.0.self_attn.k_proj.weight"),
              ElementsAre(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15));
  EXPECT_EQ(rows_there(config, "model.layers.0.self_attn.q_proj.weight")[17], 20);  // of the third head
  std::vector<float> in_order(16);
  std::iota(in_order.begin(), in_order.end(), 0.0F);
  EXPECT_EQ(rows_there(config, "model.layers.0.self_attn.v_proj.weight"), in_order);
  EXPECT_EQ(rows_there(config_of(qwen3()), "model.layers.0.self_attn.k_proj.weight"), in_order);
}

TEST(GgufModel, MatricesOfGpt2AreBackAsTheyWere) {
  const ModelConfig config = config_of(gpt2());
  const ParameterLayout layout(config);
  for (const ParameterInfo& tensor : layout.tensors()) {
    std::vector<float> here(tensor.size), there(tensor.size), back(tensor.size);
    std::iota(here.begin(), here.end(), 0.0F);
    to_gguf_order(config, tensor, here, there);
    from_gguf_order(config, tensor, there, back);
    EXPECT_EQ(back, here) << tensor.name;
  }
}

GgufValue value_of(const ModelConfig& config, std::string_view key) {
  const auto entries = gguf_model_entries(config, "m", ElementType::kF32);
  const GgufValue* value = find_value(entries, key);
  return value == nullptr ? GgufValue(uint8_t{255}) : *value;
}

TEST(GgufModel, KeysHaveTheTypesThatReadersAskFor) {
  EXPECT_EQ(value_of(config_of(gpt2()), "general.architecture"), GgufValue(std::string("gpt2")));
  EXPECT_EQ(value_of(config_of(gpt2()), "gpt2.context_length"), GgufValue(uint32_t{32}));
  EXPECT_EQ(value_of(config_of(gpt2()), "gpt2.feed_forward_length"), GgufValue(uint32_t{96}));
  EXPECT_EQ(value_of(config_of(gpt2()), "gpt2.attention.layer_norm_epsilon"), GgufValue(1e-5F));
  const ModelConfig config = config_of(llama());
  EXPECT_EQ(value_of(config, "llama.attention.head_count"), GgufValue(uint32_t{4}));
  EXPECT_EQ(value_of(config, "llama.attention.head_count_kv"), GgufValue(uint32_t{2}));
  EXPECT_EQ(value_of(config, "llama.attention.key_length"), GgufValue(uint32_t{8}));
  EXPECT_EQ(value_of(config, "llama.attention.value_length"), GgufValue(uint32_t{8}));
  EXPECT_EQ(value_of(config, "llama.rope.dimension_count"), GgufValue(uint32_t{8}));
  EXPECT_EQ(value_of(config, "llama.rope.freq_base"), GgufValue(50'000.0F));
  EXPECT_EQ(value_of(config, "llama.attention.layer_norm_rms_epsilon"), GgufValue(1e-5F));
  EXPECT_EQ(value_of(config_of(qwen3()), "qwen3.attention.layer_norm_rms_epsilon"), GgufValue(1e-6F));
}

}  // namespace
}  // namespace pretrain
