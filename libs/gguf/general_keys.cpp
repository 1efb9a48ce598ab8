// SPDX-License-Identifier: Apache-2.0
#include "libs/gguf/general_keys.h"

#include "libs/base/check.h"

namespace pretrain {
namespace {

constexpr uint32_t kQuantizationVersion = 2;  // of the layout of q8_0

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

std::vector<GgufEntry> general_entries(std::string_view architecture, const std::string& name,
                                       ElementType type) {
  std::vector<GgufEntry> entries{{"general.architecture", std::string(architecture)},
                                 {"general.type", std::string("model")},
                                 {"general.name", name},
                                 {"general.file_type", file_type(type)}};
  if (type == ElementType::kQ8_0) entries.push_back({"general.quantization_version", kQuantizationVersion});
  return entries;
}

}  // namespace pretrain
