// SPDX-License-Identifier: Apache-2.0
#include "libs/gguf/model_names.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

#include "libs/base/check.h"

namespace pretrain {
namespace {

/// A module of the model, which has a weight and perhaps a bias; `*` is the number of the layer.
struct Module {
  std::string_view ours;
  std::string_view gguf;
  bool is_transposed = false;  ///< its matrix
  bool is_always_f32 = false;
};

// The matrices of a layer are stored [in, out] (Conv1D); GGUF wants rows of inputs. llama.cpp adds positions
// as they are and asks for f32. The output head is the embedding, and is not written again.
constexpr std::array kGpt2 = {
    Module{"transformer.wte", "token_embd"},
    Module{.ours = "transformer.wpe", .gguf = "position_embd", .is_always_f32 = true},
    Module{"transformer.h.*.ln_1", "blk.*.attn_norm"},
    Module{.ours = "transformer.h.*.attn.c_attn", .gguf = "blk.*.attn_qkv", .is_transposed = true},
    Module{.ours = "transformer.h.*.attn.c_proj", .gguf = "blk.*.attn_output", .is_transposed = true},
    Module{"transformer.h.*.ln_2", "blk.*.ffn_norm"},
    Module{.ours = "transformer.h.*.mlp.c_fc", .gguf = "blk.*.ffn_up", .is_transposed = true},
    Module{.ours = "transformer.h.*.mlp.c_proj", .gguf = "blk.*.ffn_down", .is_transposed = true},
    Module{"transformer.ln_f", "output_norm"},
};

struct Architecture {
  std::string_view name;
  std::string_view norm_epsilon_key;
  std::span<const Module> modules;
};

constexpr std::array kArchitectures = {Architecture{"gpt2", "layer_norm_epsilon", kGpt2}};

const Architecture* find_architecture(std::string_view name) {
  const auto* found = std::ranges::find(kArchitectures, name, &Architecture::name);
  return found == kArchitectures.end() ? nullptr : found;
}

/// "transformer.h.12.ln_1.weight" in parts: "transformer.h.*.ln_1", "12", ".weight".
struct NameParts {
  std::string module;
  std::string layer;
  std::string element;
};

NameParts parts_of(std::string_view name) {
  const size_t last = std::min(name.rfind('.'), name.size());
  const std::string_view module = name.substr(0, last);
  NameParts parts{.module = std::string(module), .layer = "", .element = std::string(name.substr(last))};
  const size_t digit = module.find_first_of("0123456789");
  if (digit == 0 || digit == std::string_view::npos || module[digit - 1] != '.') return parts;
  const size_t end = std::min(module.find('.', digit), module.size());
  parts.layer = module.substr(digit, end - digit);
  parts.module = fmt::format("{}*{}", module.substr(0, digit), module.substr(end));
  return parts;
}

std::string with_layer(std::string_view module, std::string_view layer) {
  const size_t star = module.find('*');
  if (star == std::string_view::npos) return std::string(module);
  return fmt::format("{}{}{}", module.substr(0, star), layer, module.substr(star + 1));
}

ElementType stored_type(const Module& module, const std::vector<uint64_t>& shape, ElementType type) {
  if (module.is_always_f32 || shape.size() == 1) return ElementType::kF32;
  return shape.back() % block_elements(type) == 0 ? type : ElementType::kF16;
}

/// The file's own numbers for what most of its matrices are stored as.
uint32_t file_type(ElementType type) {
  switch (type) {
    case ElementType::kF32:
      return 0;
    case ElementType::kF16:
      return 1;
    case ElementType::kQ8_0:
      return 7;
    case ElementType::kBf16:
      return 32;
  }
  PRETRAIN_CHECK(false, "element type {}", static_cast<uint32_t>(type));
}

}  // namespace

bool has_gguf_names(std::string_view architecture) {
  return find_architecture(architecture) != nullptr;
}

std::vector<GgufEntry> model_metadata(const GgufModel& model) {
  const Architecture* architecture = find_architecture(model.architecture);
  PRETRAIN_CHECK(architecture != nullptr, "architecture {}", model.architecture);
  constexpr uint32_t kQuantizationVersion = 2;  // of the layout of q8_0
  const auto key = [&](std::string_view name) { return fmt::format("{}.{}", model.architecture, name); };
  std::vector<GgufEntry> entries{{"general.architecture", model.architecture},
                                 {"general.type", std::string("model")},
                                 {"general.name", model.name},
                                 {"general.file_type", file_type(model.type)}};
  if (model.type == ElementType::kQ8_0)
    entries.push_back({"general.quantization_version", kQuantizationVersion});
  entries.push_back({key("block_count"), model.layers});
  entries.push_back({key("context_length"), model.context});
  entries.push_back({key("embedding_length"), model.width});
  entries.push_back({key("feed_forward_length"), model.mlp_width});
  entries.push_back({key("attention.head_count"), model.heads});
  entries.push_back({key(fmt::format("attention.{}", architecture->norm_epsilon_key)), model.norm_epsilon});
  entries.push_back({key("vocab_size"), model.vocabulary});
  return entries;
}

std::optional<GgufPlace> gguf_place(std::string_view architecture, std::string_view name,
                                    const std::vector<uint64_t>& shape, ElementType type) {
  const Architecture* known = find_architecture(architecture);
  if (known == nullptr) return std::nullopt;
  const NameParts parts = parts_of(name);
  const auto module = std::ranges::find(known->modules, parts.module, &Module::ours);
  if (module == known->modules.end()) return std::nullopt;
  GgufPlace place{.tensor = {.name = with_layer(module->gguf, parts.layer) + parts.element, .shape = shape},
                  .is_transposed = module->is_transposed && shape.size() == 2};
  if (place.is_transposed) std::ranges::reverse(place.tensor.shape);
  place.tensor.type = stored_type(*module, place.tensor.shape, type);
  return place;
}

}  // namespace pretrain
