// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/inspect_gguf.h"

#include <map>
#include <string>

#include <fmt/format.h>

#include "apps/pretrain/output.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/gguf/reader.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

std::string text_of_array(const GgufArray& array) {
  const auto describe = [](const auto& values) -> std::string {
    if constexpr (std::is_same_v<std::decay_t<decltype(values)>, std::monostate>) {
      return "";
    } else {
      return format_counted(values.size(), "value");
    }
  };
  return std::visit(describe, array);
}

std::string text_of_value(const GgufValue& value) {
  const auto describe = [](const auto& held) -> std::string {
    if constexpr (std::is_same_v<std::decay_t<decltype(held)>, GgufArray>) {
      return text_of_array(held);
    } else {
      return fmt::format("{}", held);
    }
  };
  return std::visit(describe, value);
}

/// Tensors and bytes of one type.
struct TypeTotal {
  uint64_t tensors = 0;
  uint64_t elements = 0;
  uint64_t bytes = 0;
};

}  // namespace

void describe_gguf(const Path& path) {
  constexpr size_t kShownBytes = 100;
  const GgufFile file = GgufFile::open(path);
  const GgufOutline& outline = file.outline();
  print_line("{}: GGUF file of {}, {}; every offset fits, there is no checksum to verify", path.string(),
             format_bytes(file.size_bytes()), format_counted(outline.tensors.size(), "tensor"));
  for (const GgufEntry& entry : outline.metadata) {
    const std::string value = text_of_value(entry.value);
    print_line("  {} = {}", entry.key, value.substr(0, utf8_boundary(value, kShownBytes)));
  }
  std::map<std::string_view, TypeTotal> totals;
  for (const GgufTensor& tensor : outline.tensors) {
    TypeTotal& total = totals[name_of(tensor.type)];
    ++total.tensors;
    total.elements += element_count(tensor);
    total.bytes += data_bytes(tensor);
  }
  for (const auto& [type, total] : totals)
    print_line("  {:5} {}, {}, {}", type, format_counted(total.tensors, "tensor"),
               format_counted(total.elements, "parameter"), format_bytes(total.bytes));
}

}  // namespace pretrain
