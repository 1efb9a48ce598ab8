// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/gguf_model.h"

#include <algorithm>

#include <fmt/format.h>

#include "libs/base/check.h"
#include "libs/gguf/general_keys.h"
#include "libs/gguf/rows.h"
#include "libs/model/architecture.h"

namespace pretrain {
namespace {

/// What a key of the model is in the file.
struct ValueOf {
  const ModelConfig& config;

  GgufValue operator()(const SizeField& f) const { return static_cast<uint32_t>(config.*f.member); }
  GgufValue operator()(const CopyField& f) const { return static_cast<uint32_t>(config.*f.member); }
  GgufValue operator()(const NumberField& f) const { return static_cast<float>(config.*f.member); }
  GgufValue operator()(const ComputationField& f) const { return f.values.front().get<float>(); }
  template <typename Other>
  GgufValue operator()(const Other&) const {
    PRETRAIN_CHECK(false, "a key of {} that GGUF has no type for", name_of(*config.architecture));
  }
};

/// The name of a tensor in parts: "transformer.h.12.ln_1.weight" is "blk.12.", "ln_1", ".weight".
struct NameParts {
  std::string layer;  // empty outside of layers
  std::string_view module;
  std::string_view element;
};

NameParts parts_of(const Architecture& architecture, std::string_view name) {
  const size_t last = name.rfind('.');
  PRETRAIN_CHECK(last != std::string_view::npos, "a tensor {}", name);
  NameParts parts{.layer = "", .module = name.substr(0, last), .element = name.substr(last)};
  if (!name.starts_with(fmt::format("{}.", architecture.layers))) return parts;
  const std::string_view inner = parts.module.substr(architecture.layers.size() + 1);
  const size_t end = inner.find('.');
  PRETRAIN_CHECK(end != std::string_view::npos, "a tensor {}", name);
  parts.layer = fmt::format("blk.{}.", inner.substr(0, end));
  parts.module = inner.substr(end + 1);
  return parts;
}

const GgufModule& module_of(const Architecture& architecture, const NameParts& parts) {
  const auto& modules = parts.layer.empty() ? architecture.gguf.model : architecture.gguf.layer;
  const auto found = std::ranges::find(modules, parts.module, &GgufModule::name);
  PRETRAIN_CHECK(found != modules.end(), "{} of {} has no name in GGUF", parts.module, architecture.name);
  return *found;
}

/// Whether the file has the rows that are the columns here.
bool is_transposed(const ParameterInfo& tensor) {
  const bool is_linear =
      tensor.role == ParameterRole::kMatrix || tensor.role == ParameterRole::kResidualMatrix;
  return is_linear && tensor.order == MatrixOrder::kInOut;
}

/// llama.cpp adds norms, biases and positions as they are, and asks for f32.
ElementType stored_type(const ParameterInfo& tensor, uint64_t row, ElementType type) {
  if (tensor.shape.size() == 1 || tensor.role == ParameterRole::kPositionEmbedding) return ElementType::kF32;
  return row % block_elements(type) == 0 ? type : ElementType::kF16;
}

/// The rows of a projection that are in another order there; no heads: they are not.
HeadRows reordered_rows(const ModelConfig& config, const ParameterInfo& tensor) {
  const Architecture& architecture = *config.architecture;
  const auto heads = module_of(architecture, parts_of(architecture, tensor.name)).interleaved_heads;
  if (heads == nullptr) return {};
  return {.heads = static_cast<size_t>(config.*heads),
          .channels = static_cast<size_t>(config.head_size()),
          .columns = static_cast<size_t>(tensor.shape.back())};
}

}  // namespace

std::vector<GgufEntry> gguf_model_entries(const ModelConfig& config, const std::string& name,
                                          ElementType type) {
  const Architecture& architecture = *config.architecture;
  std::vector<GgufEntry> entries = general_entries(architecture.name, name, type);
  for (const ConfigField& field : architecture.gguf.keys)
    entries.push_back(
        {fmt::format("{}.{}", architecture.name, field.key), std::visit(ValueOf{config}, field.value)});
  return entries;
}

GgufTensor gguf_tensor(const ModelConfig& config, const ParameterInfo& tensor, ElementType type) {
  const NameParts parts = parts_of(*config.architecture, tensor.name);
  const GgufModule& module = module_of(*config.architecture, parts);
  GgufTensor result{.name = fmt::format("{}{}{}", parts.layer, module.there, parts.element),
                    .shape = {tensor.shape.begin(), tensor.shape.end()}};
  if (is_transposed(tensor)) std::ranges::reverse(result.shape);
  result.type = stored_type(tensor, result.shape.back(), type);
  return result;
}

void to_gguf_order(const ModelConfig& config, const ParameterInfo& tensor, std::span<const float> here,
                   std::span<float> there) {
  if (is_transposed(tensor)) {
    transpose(static_cast<size_t>(tensor.shape[0]), static_cast<size_t>(tensor.shape[1]), here, there);
  } else if (const HeadRows rows = reordered_rows(config, tensor); rows.heads > 0) {
    interleave_halves(rows, here, there);
  } else {
    std::ranges::copy(here, there.begin());
  }
}

void from_gguf_order(const ModelConfig& config, const ParameterInfo& tensor, std::span<const float> there,
                     std::span<float> here) {
  if (is_transposed(tensor)) {
    transpose(static_cast<size_t>(tensor.shape[1]), static_cast<size_t>(tensor.shape[0]), there, here);
  } else if (const HeadRows rows = reordered_rows(config, tensor); rows.heads > 0) {
    part_halves(rows, there, here);
  } else {
    std::ranges::copy(there, here.begin());
  }
}

}  // namespace pretrain
