// SPDX-License-Identifier: Apache-2.0
#include "libs/train/model_weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "libs/base/error.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using testing::HasSubstr;

const ModelConfig kModel{.layers = 1, .d_model = 8, .heads = 2, .d_ff = 16, .vocabulary = 11, .context = 4};

/// A tensor of a file that a test writes.
struct Tensor {
  DType dtype = DType::kF32;
  std::vector<uint64_t> shape;
  std::vector<std::byte> bytes;
};

template <typename T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

/// Halves and quarters, which every type holds exactly; no two tensors are alike.
float value_of(size_t tensor, size_t element) {
  return static_cast<float>(tensor % 5) + static_cast<float>(element % 7) * 0.25F - 1.0F;
}

uint16_t to_bf16(float value) {
  return static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);
}

/// Of a value that a half-precision number holds exactly.
uint16_t to_f16(float value) {
  if (value == 0) return 0;
  int exponent = 0;
  const float fraction = std::frexp(std::fabs(value), &exponent);  // in [0.5, 1)
  const auto bits = static_cast<uint32_t>((fraction * 2 - 1) * 1024) | static_cast<uint32_t>(exponent + 14)
                                                                           << 10;
  return static_cast<uint16_t>(bits | (value < 0 ? 0x8000U : 0U));
}

Tensor tensor_of(const ParameterInfo& info, size_t number, DType dtype) {
  Tensor tensor{.dtype = dtype, .shape = {info.shape.begin(), info.shape.end()}, .bytes = {}};
  std::vector<float> values(info.size);
  for (size_t i = 0; i < values.size(); ++i) values[i] = value_of(number, i);
  if (dtype == DType::kF32) {
    tensor.bytes = bytes_of(values);
  } else {
    std::vector<uint16_t> narrow(values.size());
    std::ranges::transform(values, narrow.begin(), dtype == DType::kBf16 ? to_bf16 : to_f16);
    tensor.bytes = bytes_of(narrow);
  }
  return tensor;
}

class ModelWeightsTest : public testing::Test {
 protected:
  /// All parameters of the model by name; a test then changes what it is about.
  std::map<std::string, Tensor> model(DType dtype = DType::kF32, const std::string& without = "") const {
    std::map<std::string, Tensor> tensors;
    for (size_t i = 0; i < layout_.tensors().size(); ++i) {
      const ParameterInfo& info = layout_.tensors()[i];
      tensors[info.name.substr(info.name.starts_with(without) ? without.size() : 0)] =
          tensor_of(info, i, dtype);
    }
    return tensors;
  }

  void write(const std::map<std::string, Tensor>& tensors,
             const std::string& file_name = "model.safetensors") const {
    std::vector<TensorSource> sources;
    for (const auto& [name, tensor] : tensors)
      sources.push_back({.name = name, .dtype = tensor.dtype, .shape = tensor.shape, .data = tensor.bytes});
    std::string file;
    write_safetensors(sources, {{"format", "pt"}}, false, [&file](std::span<const std::byte> piece) {
      file.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    });
    folder_.write(file_name, file);
  }

  void expect_the_model() const { expect_the_model(layout_); }
  void expect_the_model(const ParameterLayout& layout) const {
    std::vector<float> parameters(layout.flat_size(), NAN);
    ModelWeights(folder_.path(), layout).read(parameters.data());
    for (size_t i = 0; i < layout.tensors().size(); ++i) {
      const ParameterInfo& info = layout.tensors()[i];
      for (size_t k = 0; k < info.size; ++k)
        ASSERT_EQ(parameters[info.offset + k], value_of(i, k)) << info.name << " " << k;
    }
    EXPECT_FALSE(std::ranges::any_of(parameters, [](float p) { return std::isnan(p); }))
        << "padding is not set";
  }

  std::string refusal() const {
    try {
      std::vector<float> parameters(layout_.flat_size());
      ModelWeights(folder_.path(), layout_).read(parameters.data());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      return error.what();
    }
    return "accepted";
  }

  const test::TempFolder folder_;
  const ParameterLayout layout_{kModel};
};

TEST_F(ModelWeightsTest, ReadsOurNamesAndThoseWithoutThePrefix) {
  write(model());
  expect_the_model();
  write(model(DType::kF32, "transformer."));
  expect_the_model();
}

TEST_F(ModelWeightsTest, WidensHalfPrecision) {
  write(model(DType::kBf16));
  expect_the_model();
  write(model(DType::kF16));
  expect_the_model();
}

TEST_F(ModelWeightsTest, AHeadMayRepeatTheEmbeddingAndMasksAreIgnored) {
  auto tensors = model();
  tensors["lm_head.weight"] = tensors.at("transformer.wte.weight");
  tensors["transformer.h.0.attn.bias"] = {
      .dtype = DType::kU8, .shape = {2}, .bytes = std::vector<std::byte>(2)};
  tensors["transformer.h.0.attn.masked_bias"] = {
      .dtype = DType::kF32, .shape = {1}, .bytes = std::vector<std::byte>(4)};
  write(tensors);
  expect_the_model();
}

TEST_F(ModelWeightsTest, AHeadOfItsOwnIsRefusedByName) {
  auto tensors = model();
  tensors["lm_head.weight"] = tensors.at("transformer.wte.weight");
  tensors["lm_head.weight"].bytes[5] ^= std::byte{1};
  write(tensors);
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("lm_head.weight"), HasSubstr("tie_word_embeddings")));
}

/// A model that is not tied: its head is a parameter, also in a file whose other names lack their prefix.
TEST_F(ModelWeightsTest, AHeadOfAnUntiedModelIsRead) {
  ModelConfig config = kModel;
  config.architecture = &qwen3();
  config.kv_heads = 1;
  config.head_channels = 4;
  config.rope_theta = 10'000;
  config.norm_epsilon = 1e-6;
  config.tied = false;
  const ParameterLayout layout(config);
  for (const std::string without : {"", "model."}) {
    std::map<std::string, Tensor> tensors;
    for (size_t i = 0; i < layout.tensors().size(); ++i) {
      const ParameterInfo& info = layout.tensors()[i];
      tensors[info.name.substr(info.name.starts_with(without) ? without.size() : 0)] =
          tensor_of(info, i, DType::kF32);
    }
    ASSERT_TRUE(tensors.contains("lm_head.weight"));
    write(tensors);
    expect_the_model(layout);
  }
}

TEST_F(ModelWeightsTest, ATensorThatIsMissingOrOfAnotherShapeOrTypeIsNamed) {
  auto tensors = model();
  tensors.erase("transformer.h.0.mlp.c_fc.bias");
  write(tensors);
  EXPECT_THAT(refusal(), HasSubstr("transformer.h.0.mlp.c_fc.bias"));
  tensors = model();
  tensors["transformer.wpe.weight"].shape = {8, 4};
  write(tensors);
  EXPECT_THAT(refusal(), HasSubstr("transformer.wpe.weight"));
  tensors = model();
  tensors["transformer.ln_f.bias"].dtype = DType::kI32;
  write(tensors);
  EXPECT_THAT(refusal(), HasSubstr("transformer.ln_f.bias"));
}

TEST_F(ModelWeightsTest, ATensorThatWouldBeIgnoredIsRefused) {
  auto tensors = model();
  tensors["score.weight"] = {.dtype = DType::kF32, .shape = {1}, .bytes = std::vector<std::byte>(4)};
  write(tensors);
  EXPECT_THAT(refusal(), HasSubstr("score.weight"));
  tensors = model();
  tensors["transformer.h.1.ln_1.bias"] =
      tensors.at("transformer.h.0.ln_1.bias");  // one layer more than config.json
  write(tensors);
  EXPECT_THAT(refusal(), HasSubstr("transformer.h.1.ln_1.bias"));
}

TEST_F(ModelWeightsTest, AValueThatIsNotFiniteIsRefused) {
  for (const DType dtype : {DType::kF32, DType::kBf16, DType::kF16}) {
    auto tensors = model(dtype);
    std::ranges::fill(tensors.at("transformer.ln_f.bias").bytes, std::byte{0xff});
    write(tensors);
    EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("transformer.ln_f.bias"), HasSubstr("not finite")));
  }
}

TEST_F(ModelWeightsTest, OtherFormsOfWeightsAreNamed) {
  EXPECT_THAT(refusal(), HasSubstr("model.safetensors is missing"));
  folder_.write("pytorch_model.bin", "x");
  EXPECT_THAT(refusal(), HasSubstr("pytorch_model.bin"));
}

/// Cut anywhere, with another type in each file: the model is that of one file.
TEST_F(ModelWeightsTest, ReadsAModelOfSeveralFiles) {
  const auto narrow = model(DType::kBf16);
  auto rest = model();
  std::map<std::string, Tensor> first;
  for (const auto& [name, tensor] : narrow) {
    if (first.size() == 4) break;
    first[name] = tensor;
    rest.erase(name);
  }
  write(first, "model-00001-of-00002.safetensors");
  write(rest, "model-00002-of-00002.safetensors");
  nlohmann::json map;
  for (const auto& [name, tensor] : first) map[name] = "model-00001-of-00002.safetensors";
  for (const auto& [name, tensor] : rest) map[name] = "model-00002-of-00002.safetensors";
  folder_.write("model.safetensors.index.json", nlohmann::json{{"weight_map", map}}.dump());
  expect_the_model();
}

}  // namespace
}  // namespace pretrain
