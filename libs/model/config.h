#pragma once
// What a model is: its sizes, and the presets that name them.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace pretrain {

/// Sizes of a GPT-2 style transformer: LayerNorm, learned positions, GELU, biases, tied output head.
/// Letters: L layers, C d_model, H heads, F d_ff, V vocabulary, T context.
struct ModelConfig {
  std::string architecture = "gpt2";
  int64_t layers = 6;
  int64_t d_model = 512;
  int64_t heads = 8;
  int64_t d_ff = 2048;
  int64_t vocabulary = 16000;
  int64_t context = 256;

  int64_t head_size() const { return d_model / heads; }
  bool operator==(const ModelConfig&) const = default;
};

/// Errors: kUsage, naming the size that does not fit (positive, bounded, heads divide d_model).
void validate(const ModelConfig& config);

/// A named configuration of model and training.
struct Preset {
  std::string_view name;
  int64_t layers, d_model, heads, d_ff;
  int64_t vocabulary;  ///< 0: characters, as many as the corpus has
  int64_t context, batch;
  double learning_rate;
  double validation_fraction;
  std::string_view purpose;
};

std::span<const Preset> presets();
/// Nothing when no preset has that name.
std::optional<Preset> find_preset(std::string_view name);

/// The sizes of a preset; one of characters gets a vocabulary of `characters`.
ModelConfig model_config(const Preset& preset, int64_t characters);

/// Elements of the matrices that take part in products, the tied head once.
int64_t matrix_parameters(const ModelConfig& config);
/// Floating-point operations of forward and backward for one token:
/// 6 * matrix parameters + causal attention, 12 * L * T/2 * C.
double flops_per_token(const ModelConfig& config);

/// The `config.json` that Hugging Face transformers reads.
nlohmann::json hugging_face_config(const ModelConfig& config, uint32_t end_of_text);
/// The `generation_config.json` beside it. Its max_length keeps transformers within the learned positions.
nlohmann::json hugging_face_generation_config(const ModelConfig& config, uint32_t end_of_text);
/// The inverse of hugging_face_config, for files of transformers too: keys that they leave out have their
/// default.
/// Errors: kData, naming what is missing or asks for another computation than ours.
ModelConfig config_from_hugging_face(const nlohmann::json& json);

}  // namespace pretrain
