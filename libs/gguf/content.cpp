// SPDX-License-Identifier: Apache-2.0
#include "libs/gguf/content.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace pretrain {

uint64_t element_count(const GgufTensor& tensor) {
  return std::accumulate(tensor.shape.begin(), tensor.shape.end(), uint64_t{1}, std::multiplies());
}

uint64_t data_bytes(const GgufTensor& tensor) {
  return stored_bytes(tensor.type, element_count(tensor));
}

const GgufValue* find_value(const std::vector<GgufEntry>& metadata, std::string_view key) {
  const auto found = std::ranges::find(metadata, key, &GgufEntry::key);
  return found == metadata.end() ? nullptr : &found->value;
}

}  // namespace pretrain
