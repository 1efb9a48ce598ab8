// SPDX-License-Identifier: Apache-2.0
#include "libs/model/architecture.h"

#include <algorithm>
#include <array>

namespace pretrain {

std::span<const Architecture* const> architectures() {
  static const std::array all = {&gpt2()};
  return all;
}

const Architecture* find_architecture(std::string_view name) {
  const auto all = architectures();
  const auto found = std::ranges::find(all, name, [](const Architecture* a) { return a->name; });
  return found == all.end() ? nullptr : *found;
}

}  // namespace pretrain
