// SPDX-License-Identifier: Apache-2.0
#pragma once
// An architecture as data: which parts a model is made of, what their tensors are called in the files of
// Hugging Face and of llama.cpp, and what its config.json and the keys of the latter hold. One file each
// (gpt2.cpp); everything else asks the description.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/model/architecture_choices.h"
#include "libs/model/blocks.h"
#include "libs/model/config.h"
#include "libs/model/input_embedding.h"
#include "libs/model/output_head.h"

namespace pretrain {

/// A size of the model, written and read.
struct SizeField {
  int64_t ModelConfig::*member;
  /// What a missing key or null means, from the sizes of earlier fields; null: the key is required.
  int64_t (*missing)(const ModelConfig& so_far) = nullptr;
};

/// A size that is written again for other programs and never read.
struct CopyField {
  int64_t ModelConfig::*member;
};

/// A positive number, written and read.
struct NumberField {
  double ModelConfig::*member;
  double missing;  ///< what a missing key means
};

/// Whether something is so, written and read.
struct FlagField {
  bool ModelConfig::*member;
  bool missing;
};

/// The base of the rotary positions inside an object, as newer programs want it; older ones read it from a NumberField.
/// Read where it is there, when it must say what this version computes.
struct RotaryField {
  double ModelConfig::*member;
};

/// How the model computes. Another value is another model, whose weights would compute something else here.
/// A missing key has the default of transformers, which is the first value.
struct ComputationField {
  std::vector<nlohmann::json> values;
  bool is_written = true;  ///< the first one
};

/// Written for other programs; nothing here depends on it.
struct NoteField {
  nlohmann::json value;
};

/// The token that ends a document.
struct EndOfTextField {};

/// One key of config.json.
struct ConfigField {
  std::string_view key;
  std::variant<SizeField, CopyField, NumberField, FlagField, RotaryField, ComputationField, NoteField,
               EndOfTextField>
      value;
};

/// What other programs do to the names of tensors.
struct WeightNames {
  std::string_view optional_prefix;                ///< that files of the model without its head lack
  std::string_view tied_head;                      ///< a tensor that may repeat the token embedding
  std::vector<std::string_view> ignored_suffixes;  ///< of tensors that are no parameters
};

/// A module, whose tensors are NAME.weight and perhaps NAME.bias, and what files of llama.cpp call it.
struct GgufModule {
  std::string_view name;
  std::string_view there;
  /// Heads of a projection whose rows are in another order there: rotary positions turn the rows j and j + D/2 of a
  /// head together here, 2j and 2j + 1 there. Null: the order is the same.
  int64_t ModelConfig::*interleaved_heads = nullptr;
};

/// The model in a GGUF file, the format of llama.cpp.
struct GgufNames {
  std::vector<GgufModule> model;  ///< outside of layers
  std::vector<GgufModule> layer;  ///< after LAYERS.INDEX. here and after blk.INDEX. there
  /// Keys, after NAME. of the architecture. A computation is a number that is written.
  std::vector<ConfigField> keys;
};

struct Architecture {
  std::string_view name;  ///< of --arch, and "model_type" in config.json
  EmbeddingSpec embedding;
  std::string_view layers;       ///< names of a layer's tensors begin with LAYERS.INDEX.
  std::vector<BlockSpec> layer;  ///< the blocks of each layer, in their order
  HeadSpec head;
  WeightNames weights;
  std::vector<ConfigField> config;  ///< all of config.json besides "model_type"
  GgufNames gguf = {};
  /// Nothing: key-value heads, size of a head, positions, epsilon and the tied head are fixed.
  std::optional<ArchitectureChoices> choices = std::nullopt;
};

/// All that a run can have.
std::span<const Architecture* const> architectures();
/// Null when none has that name.
const Architecture* find_architecture(std::string_view name);

}  // namespace pretrain
