// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a model is: its sizes, and the presets that name them.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace pretrain {

struct Architecture;  // architecture.h
const Architecture& gpt2();

/// An architecture and its sizes.
/// Letters: L layers, C d_model, H heads, F d_ff, V vocabulary, T context.
struct ModelConfig {
  const Architecture* architecture = &gpt2();
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

}  // namespace pretrain
