// SPDX-License-Identifier: Apache-2.0
// Models that were written as GGUF files are read again.
#include "apps/pretrain/gguf_weights.h"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/pretrain/gguf_model.h"
#include "apps/pretrain/model_folder.h"
#include "libs/base/error.h"
#include "libs/base/rng.h"
#include "libs/gguf/writer.h"
#include "libs/model/architecture.h"
#include "libs/model/longest_context.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {
namespace {

using testing::HasSubstr;

ModelConfig config_of(const Architecture& architecture, bool tied) {
  ModelConfig config{.architecture = &architecture,
                     .layers = 2,
                     .d_model = 64,
                     .heads = 4,
                     .d_ff = 96,
                     .vocabulary = 300,
                     .context = 32};
  if (architecture.choices) {
    config.kv_heads = 2;
    config.head_channels = 16;
    config.rope_theta = 50'000;
    config.norm_epsilon = 1e-6;
    config.tied = tied;
  }
  complete_choices(config);
  return config;
}

/// Each tensor's own numbers, all of them different and exact in bf16.
std::vector<float> made_values(const ParameterInfo& tensor) {
  std::vector<float> values(tensor.size);
  Rng rng(tensor.offset + 1);
  for (float& value : values) value = static_cast<float>(rng.below(256)) / 64 - 2;
  return values;
}

/// A model of made up numbers in a file, with changes.
class GgufWeightsTest : public testing::Test {
 protected:
  using Change = std::function<void(GgufOutline&)>;

  Path write(const ModelConfig& config, ElementType type, const Change& change = {}) const {
    const ParameterLayout layout(config);
    GgufOutline outline{.metadata = gguf_model_entries(config, "made", type), .tensors = {}};
    for (const ParameterInfo& tensor : layout.tensors())
      outline.tensors.push_back(gguf_tensor(config, tensor, type));
    if (change) change(outline);
    std::string content;
    const auto read = [&](size_t index, std::span<float> values) {
      if (index >= layout.tensors().size()) return;
      const ParameterInfo& tensor = layout.tensors()[index];
      if (values.size() == tensor.size) to_gguf_order(config, tensor, made_values(tensor), values);
    };
    write_gguf(outline, read, [&](std::span<const std::byte> bytes) {
      content.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    });
    return folder_.write("made.gguf", content);
  }

  std::string refusal(const ModelConfig& config, const Change& change) const {
    try {
      GgufFile file = GgufFile::open(write(config, ElementType::kF32, change));
      const ModelConfig read = gguf_model_config(file);
      const ParameterLayout layout(read);
      const GgufWeights weights(std::move(file), read, layout);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      EXPECT_THAT(error.what(), HasSubstr("made.gguf"));
      return error.what();
    }
    return "";
  }

  const TempFolder folder_;
};

TEST_F(GgufWeightsTest, GiveTheNumbersThatWereWritten) {
  for (const Architecture* architecture : architectures()) {
    for (const bool tied : {true, false}) {
      const ModelConfig config = config_of(*architecture, tied);
      const ParameterLayout layout(config);
      for (const ElementType type :
           {ElementType::kF32, ElementType::kF16, ElementType::kBf16, ElementType::kQ8_0}) {
        GgufFile file = GgufFile::open(write(config, type));
        EXPECT_EQ(gguf_model_config(file), config) << architecture->name;
        const GgufWeights weights(std::move(file), config, layout);
        const float tolerance =
            type == ElementType::kQ8_0 ? 2.0F / 127 : 0;  // half a step of the largest scale
        for (const ParameterInfo& tensor : layout.tensors()) {
          std::vector<float> values(tensor.size);
          weights.read_tensor(tensor, values);
          const std::vector<float> wanted = made_values(tensor);
          for (size_t i = 0; i < values.size(); ++i)
            ASSERT_NEAR(values[i], wanted[i], tolerance) << tensor.name << " " << i << " " << name_of(type);
        }
      }
    }
  }
}

void set_key(GgufOutline& outline, const std::string& key, const GgufValue& value) {
  std::erase_if(outline.metadata, [&](const GgufEntry& entry) { return entry.key == key; });
  outline.metadata.push_back({key, value});
}

TEST_F(GgufWeightsTest, WhatComputesOtherwiseIsRefusedByName) {
  const ModelConfig config = config_of(llama(), true);
  const auto expect = [&](const std::string& key, const GgufValue& value) {
    EXPECT_THAT(refusal(config, [&](GgufOutline& outline) { set_key(outline, key, value); }), HasSubstr(key));
  };
  expect("llama.rope.scaling.type", std::string("yarn"));
  expect("llama.expert_count", uint32_t{8});
  expect("llama.attention.sliding_window", uint32_t{128});
  expect("llama.rope.dimension_count", uint32_t{8});
  expect("llama.block_count", std::string("two"));
  expect("llama.rope.freq_base", true);
  EXPECT_THAT(
      refusal(config, [](GgufOutline& o) { set_key(o, "general.architecture", std::string("gemma3")); }),
      testing::AllOf(HasSubstr("gemma3"), HasSubstr("qwen3")));
  EXPECT_THAT(refusal(config_of(gpt2(), true),
                      [](GgufOutline& o) { set_key(o, "gpt2.attention.layer_norm_epsilon", 1e-3F); }),
              HasSubstr("layer_norm_epsilon"));
  EXPECT_THAT(refusal(config, [](GgufOutline& o) { set_key(o, "llama.block_count", uint32_t{3}); }),
              HasSubstr("blk.2."));
}

TEST_F(GgufWeightsTest, ATensorThatIsMissingOrOfAnotherShapeOrTooManyIsNamed) {
  const ModelConfig config = config_of(qwen3(), true);
  EXPECT_THAT(refusal(config, [](GgufOutline& o) { o.tensors.pop_back(); }), HasSubstr("is missing"));
  EXPECT_THAT(refusal(config, [](GgufOutline& o) { o.tensors.back().shape = {65}; }),
              HasSubstr("must have the shape"));
  EXPECT_THAT(refusal(config,
                      [](GgufOutline& o) {
                        o.tensors.push_back({"blk.0.attn_q.bias", {64}});
                      }),
              HasSubstr("blk.0.attn_q.bias"));
  EXPECT_THAT(refusal(config,
                      [](GgufOutline& o) {
                        o.tensors.push_back({"rope_freqs.weight", {8}});
                      }),
              HasSubstr("rope_freqs.weight"));
}

TEST_F(GgufWeightsTest, PlainPositionsAndMoreOfThemThanAPassHasAreRead) {
  const ModelConfig config = config_of(llama(), true);
  const Path path = write(config, ElementType::kF32, [](GgufOutline& outline) {
    set_key(outline, "llama.rope.scaling.type", std::string("none"));
    set_key(outline, "llama.context_length", uint32_t{131'072});
  });
  EXPECT_EQ(gguf_model_config(GgufFile::open(path)).context, kLongestContext);
}

/// Sizes that some files leave out are known otherwise.
TEST_F(GgufWeightsTest, ReadsAFileWithoutTheKeysThatFollowFromOthers) {
  ModelConfig config = config_of(qwen3(), true);
  config.kv_heads = config.heads;
  const Path path = write(config, ElementType::kF32, [](GgufOutline& outline) {
    std::erase_if(outline.metadata, [](const GgufEntry& entry) {
      return entry.key == "qwen3.vocab_size" || entry.key == "qwen3.attention.head_count_kv" ||
             entry.key == "qwen3.attention.value_length" || entry.key == "qwen3.rope.dimension_count";
    });
  });
  EXPECT_EQ(gguf_model_config(GgufFile::open(path)), config);
}

TEST_F(GgufWeightsTest, AHeadOfGpt2MayRepeatTheEmbeddingAlone) {
  const ModelConfig config = config_of(gpt2(), true);
  EXPECT_THAT(refusal(config,
                      [](GgufOutline& o) {
                        o.tensors.push_back({"output.weight", {300, 64}});
                      }),
              HasSubstr("output.weight is not the embedding"));
}

}  // namespace
}  // namespace pretrain::test
