// SPDX-License-Identifier: Apache-2.0
#include "libs/gguf/writer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <type_traits>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/units.h"
#include "libs/gguf/layout.h"

namespace pretrain {
namespace {

using namespace gguf_layout;

/// A whole number of blocks of every type, and 4 MiB in the widest.
constexpr size_t kPieceElements = 1_MiB;

template <typename T>
void append_number(std::string& text, T value) {
  static_assert(std::is_arithmetic_v<T> && sizeof(bool) == 1);
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  text.append(bytes, sizeof(T));
}

void append_string(std::string& text, std::string_view value) {
  append_number<uint64_t>(text, value.size());
  text += value;
}

template <typename T>
void append_scalar(std::string& text, const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    append_string(text, value);
  } else {
    append_number(text, value);
  }
}

void append_elements(std::string&, std::monostate) {
  PRETRAIN_CHECK(false, "an array of arrays");
}

template <typename T>
void append_elements(std::string& text, const std::vector<T>& values) {
  append_number<uint64_t>(text, values.size());
  for (const auto& value : values) append_scalar<T>(text, value);
}

void append_array(std::string& text, const GgufArray& array) {
  append_number(text, static_cast<uint32_t>(array.index()));
  std::visit([&](const auto& values) { append_elements(text, values); }, array);
}

void append_value(std::string& text, const GgufValue& value) {
  append_number(text, static_cast<uint32_t>(value.index()));
  const auto append = [&](const auto& held) {
    if constexpr (std::is_same_v<std::decay_t<decltype(held)>, GgufArray>) {
      append_array(text, held);
    } else {
      append_scalar(text, held);
    }
  };
  std::visit(append, value);
}

void append_tensor(std::string& text, const GgufTensor& tensor, uint64_t offset) {
  append_string(text, tensor.name);
  append_number(text, static_cast<uint32_t>(tensor.shape.size()));
  for (auto extent = tensor.shape.rbegin(); extent != tensor.shape.rend(); ++extent)
    append_number(text, *extent);
  append_number(text, static_cast<uint32_t>(tensor.type));
  append_number(text, offset);
}

void check_outline(const GgufOutline& outline) {
  std::set<std::string_view> keys{kAlignmentKey}, names;
  for (const GgufEntry& entry : outline.metadata)
    PRETRAIN_CHECK(keys.insert(entry.key).second, "key {}", entry.key);
  for (const GgufTensor& tensor : outline.tensors) {
    PRETRAIN_CHECK(names.insert(tensor.name).second && tensor.name.size() <= kMostGgufNameBytes,
                   "tensor named {}", tensor.name);
    PRETRAIN_CHECK(!tensor.shape.empty() && tensor.shape.size() <= kMostGgufDimensions &&
                       tensor.shape.back() % block_elements(tensor.type) == 0,
                   "{} of {} dimensions", tensor.name, tensor.shape.size());
  }
}

/// Everything before the elements.
std::string make_header(const GgufOutline& outline) {
  check_outline(outline);
  std::string text(kMagic);
  append_number(text, kVersion);
  append_number<uint64_t>(text, outline.tensors.size());
  append_number<uint64_t>(text, outline.metadata.size());
  for (const GgufEntry& entry : outline.metadata) {
    append_string(text, entry.key);
    append_value(text, entry.value);
  }
  uint64_t offset = 0;
  for (const GgufTensor& tensor : outline.tensors) {
    append_tensor(text, tensor, offset);
    offset += padded(data_bytes(tensor));
  }
  text.resize(padded(text.size()), '\0');
  return text;
}

void check_range(std::string_view name, ElementType type, std::span<const float> values) {
  const float limit = largest_stored(type);
  // A NaN is larger than nothing, and must not pass.
  const auto bad = std::ranges::find_if(values, [=](float value) { return !(std::abs(value) <= limit); });
  if (bad == values.end()) return;
  fail(ErrorKind::kUsage, "tensor {} holds {}, and {} ends at {}; choose another type, such as f32", name,
       *bad, name_of(type), limit);
}

}  // namespace

uint64_t gguf_size_bytes(const GgufOutline& outline) {
  uint64_t bytes = make_header(outline).size();
  for (const GgufTensor& tensor : outline.tensors) bytes += padded(data_bytes(tensor));
  return bytes;
}

void write_elements(std::string_view name, ElementType type, std::span<const float> values,
                    const ByteSink& sink) {
  std::vector<std::byte> piece;
  for (size_t at = 0; at < values.size(); at += kPieceElements) {
    const auto part = values.subspan(at, std::min(kPieceElements, values.size() - at));
    check_range(name, type, part);
    piece.resize(stored_bytes(type, part.size()));
    store_elements(type, part, piece);
    sink(piece);
  }
}

void write_gguf(const GgufOutline& outline, const TensorReader& read, const ByteSink& sink) {
  const std::string header = make_header(outline);
  sink(std::as_bytes(std::span(header)));
  constexpr std::byte kZeros[kAlignment]{};
  for (size_t i = 0; i < outline.tensors.size(); ++i) {
    const GgufTensor& tensor = outline.tensors[i];
    std::vector<float> values(element_count(tensor));
    read(i, values);
    write_elements(tensor.name, tensor.type, values, sink);
    const uint64_t bytes = data_bytes(tensor);
    sink(std::span(kZeros).first(padded(bytes) - bytes));
  }
}

}  // namespace pretrain
