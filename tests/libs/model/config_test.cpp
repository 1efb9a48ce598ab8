// SPDX-License-Identifier: Apache-2.0
#include "libs/model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/model/hugging_face_config.h"
#include "libs/model/longest_context.h"
#include "libs/model/parameters.h"
#include "libs/tensor/layer_norm.h"

namespace pretrain {
namespace {

ModelConfig of_preset(std::string_view name, int64_t characters) {
  return model_config(*find_preset(name), characters);
}

TEST(ModelConfig, AllPresetsAreValid) {
  EXPECT_EQ(presets().size(), 17U);
  for (const Preset& preset : presets()) EXPECT_NO_THROW(validate(of_preset(preset.name, 65))) << preset.name;
}

TEST(ModelConfig, BaseHasTheMatrixParametersAndFlopsOfTheReferenceConfiguration) {
  const ModelConfig base = of_preset("base", 0);
  EXPECT_EQ(matrix_parameters(base), 27'066'368);
  EXPECT_NEAR(flops_per_token(base), 167.1e6, 0.1e6);
}

TEST(ModelConfig, TinyHasAboutFiftyThousandParameters) {
  EXPECT_NEAR(static_cast<double>(ParameterLayout(of_preset("tiny", 65)).parameter_count()), 50e3, 8e3);
}

TEST(ModelConfig, SurvivesTheHuggingFaceFile) {
  const ModelConfig config{
      .layers = 3, .d_model = 48, .heads = 4, .d_ff = 96, .vocabulary = 999, .context = 33};
  EXPECT_EQ(config_from_hugging_face(hugging_face_config(config, 1)), config);
}

TEST(ModelConfig, TellsHuggingFaceWhatTheKernelsCompute) {
  const ModelConfig config{
      .layers = 3, .d_model = 48, .heads = 4, .d_ff = 96, .vocabulary = 999, .context = 33};
  const nlohmann::json json = hugging_face_config(config, 7);
  EXPECT_EQ(json.at("layer_norm_epsilon").get<double>(), 1e-5);
  EXPECT_EQ(json.at("layer_norm_epsilon").get<float>(), kLayerNormEpsilon);
  EXPECT_EQ(json.at("activation_function"), "gelu_new");
  EXPECT_EQ(json.at("model_type"), "gpt2");
  EXPECT_EQ(json.at("architectures"), nlohmann::json({"GPT2LMHeadModel"}));
  EXPECT_EQ(json.at("tie_word_embeddings"), true);
  EXPECT_EQ(json.at("scale_attn_weights"), true);
  for (const char* key : {"attn_pdrop", "embd_pdrop", "resid_pdrop"}) EXPECT_EQ(json.at(key), 0.0) << key;
  EXPECT_EQ(json.at("initializer_range"), 0.02);
  EXPECT_EQ(json.at("bos_token_id"), 7);
  EXPECT_EQ(json.at("eos_token_id"), 7);
}

TEST(ModelConfig, PresetsAreTheDocumentedOnes) {
  const std::vector<Preset> documented{{"base", 6, 512, 8, 2048, 16000, 256, 16, 1e-3, 0.005, ""},
                                       {"large", 6, 512, 8, 2048, 32000, 128, 64, 1e-3, 0.005, ""},
                                       {"xl-vocab", 6, 512, 8, 2048, 50000, 128, 16, 1e-3, 0.005, ""},
                                       {"quality", 4, 384, 6, 1536, 16000, 128, 32, 1e-3, 0.005, ""},
                                       {"prototype", 2, 256, 4, 1024, 10000, 64, 32, 1.5e-3, 0.005, ""},
                                       {"shakespeare", 4, 128, 8, 512, 0, 64, 32, 3e-3, 0.1, ""},
                                       {"small", 2, 128, 4, 512, 0, 64, 8, 2e-3, 0.1, ""},
                                       {"v2", 1, 256, 4, 1024, 0, 64, 8, 2e-3, 0.1, ""},
                                       {"tiny", 1, 64, 4, 256, 0, 32, 8, 3e-3, 0.1, ""},
                                       {"fast", 3, 256, 4, 1024, 16000, 128, 32, 1.5e-3, 0.005, ""}};
  for (const Preset& expected : documented) {
    SCOPED_TRACE(expected.name);
    const Preset actual = *find_preset(expected.name);
    EXPECT_EQ(model_config(actual, 65), model_config(expected, 65));
    EXPECT_EQ(actual.batch, expected.batch);
    EXPECT_EQ(actual.learning_rate, expected.learning_rate);
    EXPECT_EQ(actual.validation_fraction, expected.validation_fraction);
  }
  EXPECT_EQ(of_preset("tiny", 65).vocabulary, 65);
  EXPECT_FALSE(find_preset("nothing").has_value());
}

/// Their names say how large they are, and files of llama.cpp can be quantized: rows are multiples of 256, or of 32 in
/// the smallest.
TEST(ModelConfig, TheFamilyOfQwen3IsAsLargeAsItsNamesSay) {
  size_t count = 0;
  for (const Preset& preset : presets()) {
    if (!preset.name.starts_with("qwen3-")) continue;
    SCOPED_TRACE(preset.name);
    const ModelConfig config = of_preset(preset.name, 0);
    EXPECT_EQ(config.architecture, &qwen3());
    const double parameters = static_cast<double>(ParameterLayout(config).parameter_count());
    const double named = std::stod(std::string(preset.name.substr(6))) * 1e6;
    EXPECT_NEAR(parameters / named, 1, 0.2) << parameters;
    EXPECT_LT(2 * config.vocabulary * config.d_model, static_cast<int64_t>(parameters)) << "mostly embedding";
    EXPECT_EQ(config.d_ff % 128, 0);
    EXPECT_EQ(config.d_model % 32, 0);
    ++count;
  }
  EXPECT_EQ(count, 7U);
}

TEST(ModelConfig, AHeadOfAPresetMayHaveItsOwnSize) {
  const ModelConfig large = of_preset("qwen3-350m", 0);
  EXPECT_EQ(large.head_size(), 128);
  EXPECT_EQ(large.key_value_heads(), 4);
  const ModelConfig small = of_preset("qwen3-1m", 0);
  EXPECT_EQ(small.head_size(), 64);
  EXPECT_EQ(small.key_value_heads(), small.heads);
}

nlohmann::json saved_config() {
  return hugging_face_config(
      {.layers = 3, .d_model = 48, .heads = 4, .d_ff = 192, .vocabulary = 999, .context = 33}, 1);
}

/// The message of the error that reading this config.json ends with, and that it is one of unusable data.
std::string refusal(const nlohmann::json& json) {
  try {
    config_from_hugging_face(json);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
    return error.what();
  }
  return "accepted";
}

TEST(ModelConfig, AnotherComputationThanOursIsRefusedByName) {
  const std::vector<std::pair<const char*, nlohmann::json>> foreign = {
      {"activation_function", "relu"},
      {"activation_function", "gelu"},
      {"layer_norm_epsilon", 1e-6},
      {"scale_attn_weights", false},
      {"scale_attn_by_inverse_layer_idx", true},
      {"add_cross_attention", true},
      {"tie_word_embeddings", false},
      {"quantization_config", {{"bits", 4}}},
      {"model_type", "mamba"},
      {"model_type", 7}};
  for (const auto& [key, value] : foreign) {
    nlohmann::json json = saved_config();
    json[key] = value;
    EXPECT_THAT(refusal(json),
                testing::AllOf(testing::HasSubstr(key), testing::HasSubstr("is not supported")));
  }
}

/// As llama and qwen3 are saved by transformers 4 and 5, with values of our own.
nlohmann::json rotary_config(const Architecture& architecture) {
  ModelConfig config{.architecture = &architecture, .heads = 4, .d_ff = 96, .vocabulary = 300, .context = 32};
  config.layers = 2;
  config.d_model = 64;
  config.kv_heads = 2;
  config.head_channels = 16;
  config.rope_theta = 50'000;
  config.norm_epsilon = 1e-6;
  return hugging_face_config(config, 1);
}

TEST(ModelConfig, TheBaseOfRotaryPositionsIsReadInBothSpellings) {
  for (const Architecture* architecture : {&llama(), &qwen3()}) {
    nlohmann::json json = rotary_config(*architecture);
    EXPECT_EQ(config_from_hugging_face(json).rope_theta, 50'000);
    json.erase("rope_parameters");
    EXPECT_EQ(config_from_hugging_face(json).rope_theta, 50'000) << "as transformers 4 saves it";
    json.erase("rope_theta");
    json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 1e6}, {"partial_rotary_factor", 1.0}};
    EXPECT_EQ(config_from_hugging_face(json).rope_theta, 1e6) << "as transformers 5 saves it";
    json["rms_norm_eps"] = 1e-5;
    json["tie_word_embeddings"] = false;
    EXPECT_EQ(config_from_hugging_face(json).norm_epsilon, 1e-5);
    EXPECT_FALSE(config_from_hugging_face(json).tied);
  }
}

TEST(ModelConfig, PlainRotaryPositionsAreReadInEverySpelling) {
  const std::vector<nlohmann::json> plain{
      nullptr,
      nlohmann::json::object(),
      {{"rope_type", "default"}},
      {{"type", "default"}},
      {{"type", "default"}, {"rope_type", "default"}, {"factor", 1.0}},
      {{"rope_type", "default"}, {"original_max_position_embeddings", 8192}},
      {{"rope_type", nullptr}}};
  for (const Architecture* architecture : {&llama(), &qwen3()}) {
    const ModelConfig config = config_from_hugging_face(rotary_config(*architecture));
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
      for (const nlohmann::json& value : plain) {
        nlohmann::json json = rotary_config(*architecture);
        json[key] = value;
        EXPECT_EQ(config_from_hugging_face(json), config) << key << " = " << value;
      }
    }
  }
  EXPECT_FALSE(rotary_config(llama()).contains("rope_scaling"));
}

TEST(ModelConfig, ScaledRotaryPositionsAreRefusedByTheirKind) {
  const nlohmann::json factors = std::vector<double>(64, 1.25);
  const std::vector<std::pair<const char*, nlohmann::json>> kinds{
      {"linear", {{"type", "linear"}, {"factor", 1.0}}},
      {"llama3", {{"factor", 32.0}, {"high_freq_factor", 4.0}, {"rope_type", "llama3"}}},
      {"yarn", {{"rope_type", "yarn"}, {"type", "default"}, {"factor", 4.0}}},
      {"longrope", {{"long_factor", factors}, {"rope_type", "longrope"}, {"short_factor", factors}}},
      {"\\x1b[2J", {{"rope_type", "\x1b[2J"}}},
      {"7", {{"rope_type", 7}}}};
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    for (const auto& [kind, value] : kinds) {
      nlohmann::json json = rotary_config(llama());
      json[key] = value;
      EXPECT_THAT(refusal(json), testing::AllOf(testing::HasSubstr(key), testing::HasSubstr(kind),
                                                testing::HasSubstr("is not supported")));
    }
    nlohmann::json json = rotary_config(qwen3());
    json[key] = {{"rope_type", "default"}, {"mrope_section", {16, 24, 24}}};
    EXPECT_THAT(refusal(json), testing::HasSubstr("mrope_section"));
    json[key] = "default";
    EXPECT_THAT(refusal(json), testing::HasSubstr("is no object"));
  }
}

TEST(ModelConfig, MoreRotaryPositionsThanAPassHasAreReadAsFewer) {
  nlohmann::json rotary = rotary_config(qwen3());
  for (const int64_t positions : {int64_t{65'537}, int64_t{131'072}, int64_t{1} << 40}) {
    rotary["max_position_embeddings"] = positions;
    EXPECT_EQ(config_from_hugging_face(rotary).context, kLongestContext);
  }
  rotary["max_position_embeddings"] = 32'768;
  EXPECT_EQ(config_from_hugging_face(rotary).context, 32'768);
  nlohmann::json learned = saved_config();
  learned["n_positions"] = 131'072;
  EXPECT_THAT(refusal(learned), testing::HasSubstr("context = 131072")) << "each has weights";
}

TEST(ModelConfig, ScaledAndPartialRotationsWindowsAndBiasesAreRefusedByName) {
  const auto refused = [](const Architecture& architecture, const char* key, const nlohmann::json& value) {
    nlohmann::json json = rotary_config(architecture);
    json[key] = value;
    return refusal(json);
  };
  const nlohmann::json linear = {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 1e4}};
  EXPECT_THAT(refused(llama(), "rope_parameters", linear), testing::HasSubstr("linear"));
  EXPECT_THAT(refused(llama(), "rope_parameters", {{"rope_theta", 1e4}, {"partial_rotary_factor", 0.5}}),
              testing::HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(refused(llama(), "rope_scaling", {{"type", "dynamic"}}), testing::HasSubstr("rope_scaling"));
  EXPECT_THAT(refused(llama(), "rope_theta", 10'000), testing::HasSubstr("contradicts rope_parameters"));
  EXPECT_THAT(refused(llama(), "partial_rotary_factor", 0.5), testing::HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(refused(qwen3(), "partial_rotary_factor", 1.0), testing::StrEq("accepted"));
  EXPECT_THAT(refused(llama(), "rope_interleaved", true), testing::HasSubstr("rope_interleaved"));
  EXPECT_THAT(refused(llama(), "attention_bias", true), testing::HasSubstr("attention_bias"));
  EXPECT_THAT(refused(llama(), "mlp_bias", true), testing::HasSubstr("mlp_bias"));
  EXPECT_THAT(refused(qwen3(), "use_sliding_window", true), testing::HasSubstr("use_sliding_window"));
  EXPECT_THAT(refused(qwen3(), "model_type", "qwen2"), testing::HasSubstr("qwen2"));
}

TEST(ModelConfig, WhatAnotherProgramLeavesOutHasItsDefault) {
  nlohmann::json json = saved_config();
  for (const char* key :
       {"activation_function", "layer_norm_epsilon", "scale_attn_weights", "tie_word_embeddings",
        "scale_attn_by_inverse_layer_idx", "add_cross_attention", "n_ctx", "torch_dtype"}) {
    json.erase(key);
  }
  json["n_inner"] = nullptr;  // four times the width
  json["dtype"] = "float32";
  json["attn_pdrop"] = 0.1;  // training only
  EXPECT_EQ(config_from_hugging_face(json).d_ff, 192);
  json.erase("n_inner");
  EXPECT_EQ(config_from_hugging_face(json).d_ff, 192);
  json["activation_function"] = "gelu_pytorch_tanh";
  json["layer_norm_epsilon"] = 9.999999747378752e-06;
  EXPECT_EQ(config_from_hugging_face(json).layers, 3);
}

TEST(ModelConfig, ImpossibleSizesInAFileAreUnusableData) {
  for (const auto& [key, value] :
       std::vector<std::pair<const char*, nlohmann::json>>{{"n_head", 5},
                                                           {"n_layer", 0},
                                                           {"n_layer", 1'000'000},
                                                           {"n_embd", -8},
                                                           {"n_embd", INT64_MAX},
                                                           {"vocab_size", UINT64_MAX},
                                                           {"n_positions", "many"},
                                                           {"n_inner", 1.5}}) {
    nlohmann::json json = saved_config();
    if (std::string(key) == "n_embd") json["n_inner"] = nullptr;
    json[key] = value;
    EXPECT_THAT(refusal(json), testing::HasSubstr("config.json: ")) << key;
  }
  EXPECT_NE(refusal(nlohmann::json::array()), "accepted");
  EXPECT_NE(refusal(nlohmann::json(7)), "accepted");
}

TEST(ModelConfig, GenerationStaysWithinTheContext) {
  const nlohmann::json json = hugging_face_generation_config({.context = 33}, 1);
  EXPECT_EQ(json.at("max_length"), 33);
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) EXPECT_EQ(json.at(key), 1) << key;
}

TEST(ModelConfig, RejectsSizesThatDoNotFit) {
  EXPECT_THROW(validate({.d_model = 100, .heads = 3}), Error);
  EXPECT_THROW(validate({.layers = 0}), Error);
  EXPECT_THROW(validate({.heads = 0}), Error);
  EXPECT_THROW(config_from_hugging_face(nlohmann::json::object()), Error);
}

}  // namespace
}  // namespace pretrain
