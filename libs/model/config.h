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
const Architecture& llama();
const Architecture& qwen3();

/// An architecture and its sizes.
/// Letters: L layers, C d_model, H heads, K key-value heads, D channels of a head, F d_ff, V vocabulary, T context.
struct ModelConfig {
  const Architecture* architecture = &gpt2();
  int64_t layers = 6;
  int64_t d_model = 512;
  int64_t heads = 8;
  int64_t d_ff = 2048;
  int64_t vocabulary = 16000;
  int64_t context = 256;
  // Of architectures that have a choice there; the others keep what stands here.
  int64_t kv_heads = 0;       ///< that queries share; 0: as many as heads
  int64_t head_channels = 0;  ///< 0: d_model / heads
  double rope_theta = 0;      ///< base of the rotary positions; 0: positions are learned
  double norm_epsilon = 0;    ///< 0: that of the architecture
  bool tied = true;           ///< the head's matrix is the token embedding

  int64_t head_size() const { return head_channels == 0 ? d_model / heads : head_channels; }
  int64_t key_value_heads() const { return kv_heads == 0 ? heads : kv_heads; }
  /// Columns of all query heads: H D.
  int64_t attention_width() const { return heads * head_size(); }
  /// Columns of queries, keys and values: (H + 2K) D.
  int64_t qkv_width() const { return (heads + 2 * key_value_heads()) * head_size(); }
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
