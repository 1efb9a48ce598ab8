// SPDX-License-Identifier: Apache-2.0
#include "libs/gguf/model_names.h"

#include <gtest/gtest.h>

namespace pretrain {
namespace {

using Shape = std::vector<uint64_t>;

TEST(GgufNames, AMatrixOfALayerIsTransposed) {
  const auto place =
      gguf_place("gpt2", "transformer.h.12.attn.c_attn.weight", Shape{64, 192}, ElementType::kQ8_0);
  ASSERT_TRUE(place);
  EXPECT_EQ(place->tensor, (GgufTensor{"blk.12.attn_qkv.weight", {192, 64}, ElementType::kQ8_0}));
  EXPECT_TRUE(place->is_transposed);
}

TEST(GgufNames, TheEmbeddingStaysAsItIs) {
  const auto place = gguf_place("gpt2", "transformer.wte.weight", Shape{300, 64}, ElementType::kBf16);
  ASSERT_TRUE(place);
  EXPECT_EQ(place->tensor, (GgufTensor{"token_embd.weight", {300, 64}, ElementType::kBf16}));
  EXPECT_FALSE(place->is_transposed);
}

TEST(GgufNames, PositionsNormsAndBiasesStayF32) {
  for (const ElementType type : {ElementType::kF16, ElementType::kBf16, ElementType::kQ8_0}) {
    EXPECT_EQ(gguf_place("gpt2", "transformer.wpe.weight", Shape{32, 64}, type)->tensor,
              (GgufTensor{"position_embd.weight", {32, 64}, ElementType::kF32}));
    EXPECT_EQ(gguf_place("gpt2", "transformer.ln_f.weight", Shape{64}, type)->tensor,
              (GgufTensor{"output_norm.weight", {64}, ElementType::kF32}));
    EXPECT_EQ(gguf_place("gpt2", "transformer.h.0.mlp.c_fc.bias", Shape{256}, type)->tensor,
              (GgufTensor{"blk.0.ffn_up.bias", {256}, ElementType::kF32}));
  }
}

/// Rows are those of the file: of c_fc [C, F] that is C.
TEST(GgufNames, RowsThatAreNoWholeBlocksBecomeF16) {
  const auto type_of = [](Shape shape) {
    return gguf_place("gpt2", "transformer.h.0.mlp.c_fc.weight", shape, ElementType::kQ8_0)->tensor.type;
  };
  EXPECT_EQ(type_of({40, 64}), ElementType::kF16);
  EXPECT_EQ(type_of({64, 40}), ElementType::kQ8_0);
}

TEST(GgufNames, AnUnknownTensorOrArchitectureHasNoPlace) {
  EXPECT_FALSE(gguf_place("gpt2", "lm_head.weight", Shape{300, 64}, ElementType::kF32));
  EXPECT_FALSE(gguf_place("gpt2", "transformer.h.0.attn.bias.weight", Shape{64}, ElementType::kF32));
  EXPECT_FALSE(gguf_place("bert", "transformer.wte.weight", Shape{300, 64}, ElementType::kF32));
  EXPECT_TRUE(has_gguf_names("gpt2"));
  EXPECT_FALSE(has_gguf_names("bert"));
}

TEST(GgufNames, KeysSayWhatReadersAskFor) {
  GgufModel model{.name = "m",
                  .architecture = "gpt2",
                  .layers = 2,
                  .width = 64,
                  .mlp_width = 256,
                  .heads = 4,
                  .context = 32,
                  .vocabulary = 300,
                  .norm_epsilon = 1e-5F};
  const auto value_of = [&](std::string_view key) {
    const auto metadata = model_metadata(model);
    const GgufValue* value = find_value(metadata, key);
    return value == nullptr ? GgufValue(uint8_t{255}) : *value;
  };
  EXPECT_EQ(value_of("general.architecture"), GgufValue(std::string("gpt2")));
  EXPECT_EQ(value_of("gpt2.context_length"), GgufValue(uint32_t{32}));
  EXPECT_EQ(value_of("gpt2.feed_forward_length"), GgufValue(uint32_t{256}));
  EXPECT_EQ(value_of("gpt2.attention.layer_norm_epsilon"), GgufValue(1e-5F));
  EXPECT_EQ(value_of("general.file_type"), GgufValue(uint32_t{0}));
  EXPECT_EQ(value_of("general.quantization_version"), GgufValue(uint8_t{255}));
  model.type = ElementType::kQ8_0;
  EXPECT_EQ(value_of("general.file_type"), GgufValue(uint32_t{7}));
  EXPECT_EQ(value_of("general.quantization_version"), GgufValue(uint32_t{2}));
}

}  // namespace
}  // namespace pretrain
