// SPDX-License-Identifier: Apache-2.0
#include "libs/model/architecture.h"

#include <algorithm>
#include <array>

namespace pretrain {

std::span<const Architecture* const> architectures() {
  static const std::array all = {&gpt2(), &llama(), &qwen3()};
  return all;
}

const Architecture* find_architecture(std::string_view name) {
  const auto all = architectures();
  const auto found = std::ranges::find(all, name, [](const Architecture* a) { return a->name; });
  return found == all.end() ? nullptr : *found;
}

std::string_view name_of(const Architecture& architecture) {
  return architecture.name;
}

const ArchitectureChoices* choices_of(const Architecture& architecture) {
  return architecture.choices ? &*architecture.choices : nullptr;
}

void complete_choices(ModelConfig& config) {
  const auto& choices = config.architecture->choices;
  if (!choices) return;
  if (config.kv_heads == 0) config.kv_heads = config.heads;
  if (config.head_channels == 0) config.head_channels = config.d_model / std::max<int64_t>(config.heads, 1);
  if (config.rope_theta == 0) config.rope_theta = choices->rope_theta;
  if (config.norm_epsilon == 0) config.norm_epsilon = choices->norm_epsilon;
}

}  // namespace pretrain
