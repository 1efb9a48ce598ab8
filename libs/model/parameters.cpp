// SPDX-License-Identifier: Apache-2.0
#include "libs/model/parameters.h"

#include <algorithm>

#include <fmt/format.h>

#include "libs/base/check.h"
#include "libs/model/architecture.h"

namespace pretrain {
namespace {

int64_t residual_additions(const ModelConfig& config) {
  return config.layers * static_cast<int64_t>(config.architecture->layer.size());
}

/// Puts where each layer starts, and where the last ends, into `starts`.
std::vector<LayerParameters> add_layers(ParameterTable& table, const ModelConfig& config,
                                        std::vector<size_t>& starts) {
  const Architecture& architecture = *config.architecture;
  std::vector<LayerParameters> layers(static_cast<size_t>(config.layers));
  for (size_t l = 0; l < layers.size(); ++l) {
    starts.push_back(table.flat_size());
    const std::string prefix = fmt::format("{}.{}.", architecture.layers, l);
    for (const BlockSpec& spec : architecture.layer) {
      layers[l].push_back(Kinds::add_parameters(table, prefix, config, spec));
    }
  }
  starts.push_back(table.flat_size());
  return layers;
}

std::vector<ElementRange> parts_from_the_end(const std::vector<size_t>& layer_starts, size_t size) {
  std::vector<ElementRange> parts;
  for (size_t last = size, i = layer_starts.size(); i-- > 0; last = layer_starts[i])
    parts.push_back({layer_starts[i], last});
  parts.push_back({0, layer_starts.front()});
  return parts;
}

}  // namespace

// The order of initialisers, which is that of the members, is that of the tensors in the flat array.
ParameterLayout::ParameterLayout(const ModelConfig& config)
    : architecture_(*config.architecture),
      table_(residual_additions(config)),
      embedding_(config.architecture->embedding.add_to(table_, config)),
      layers_(add_layers(table_, config, layer_starts_)),
      head_(config.architecture->head.add_to(table_, config, embedding_)),
      backward_parts_(parts_from_the_end(layer_starts_, table_.flat_size())) {}

std::vector<LinearParameters> ParameterLayout::linears() const {
  std::vector<LinearParameters> all;
  for (const LayerParameters& layer : layers_) {
    for (const BlockParameters& block : layer) {
      for (const LinearParameters& at : std::visit([](const auto& b) { return b.linears(); }, block)) {
        all.push_back(at);
      }
    }
  }
  return all;
}

const ParameterInfo* ParameterLayout::find(std::string_view name) const {
  const auto found = std::ranges::find(tensors(), name, &ParameterInfo::name);
  return found == tensors().end() ? nullptr : &*found;
}

const ParameterInfo& ParameterLayout::tensor_at(size_t offset) const {
  const auto found = std::ranges::find(tensors(), offset, &ParameterInfo::offset);
  PRETRAIN_CHECK(found != tensors().end(), "no tensor at {}", offset);
  return *found;
}

int64_t matrix_parameters(const ModelConfig& c) {
  int64_t count = c.vocabulary * c.d_model;
  const ParameterLayout layout(c);
  for (const LinearParameters& at : layout.linears()) count += at.in * at.out;
  return count;
}

double flops_per_token(const ModelConfig& c) {
  return 6.0 * static_cast<double>(matrix_parameters(c)) +
         12.0 * static_cast<double>(c.layers * c.attention_width()) * static_cast<double>(c.context) / 2;
}

}  // namespace pretrain
