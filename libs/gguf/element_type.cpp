// SPDX-License-Identifier: Apache-2.0
#include "libs/gguf/element_type.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "libs/base/check.h"
#include "libs/base/half_float.h"

namespace pretrain {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are stored as they lie in memory");

constexpr size_t kQ8Elements = 32;
constexpr float kQ8Steps = 127;

/// A block of q8_0, as it lies in a file.
struct Q8Block {
  uint16_t scale;  // f16
  std::array<int8_t, kQ8Elements> steps;
};
static_assert(sizeof(Q8Block) == 34);

struct TypeRow {
  ElementType type;
  std::string_view name;
  uint64_t elements;  // of a block
  uint64_t bytes;
  float largest;
};

constexpr float kLargestF16 = 65504;

constexpr std::array<TypeRow, 4> kTypes{
    {{ElementType::kF32, "f32", 1, 4, 0x1.fffffep127F},
     {ElementType::kF16, "f16", 1, 2, kLargestF16},
     {ElementType::kQ8_0, "q8_0", kQ8Elements, sizeof(Q8Block), kLargestF16* kQ8Steps},
     {ElementType::kBf16, "bf16", 1, 2, 0x1.fep127F}}};

const TypeRow& row_of(ElementType type) {
  const auto* row = std::ranges::find(kTypes, type, &TypeRow::type);
  PRETRAIN_CHECK(row != kTypes.end(), "element type {}", static_cast<uint32_t>(type));
  return *row;
}

/// The steps are counted in the scale before it is rounded to f16.
Q8Block to_q8(std::span<const float> values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  const float scale = largest / kQ8Steps;
  float inverse = scale != 0 ? 1 / scale : 0;
  if (!std::isfinite(inverse)) inverse = 0;  // a scale that f16 rounds to 0
  Q8Block block{.scale = to_f16(scale), .steps = {}};
  std::ranges::transform(values, block.steps.begin(),
                         [=](float value) { return static_cast<int8_t>(std::round(value * inverse)); });
  return block;
}

void from_q8(const Q8Block& block, std::span<float> into) {
  const float scale = from_f16(block.scale);
  std::ranges::transform(block.steps, into.begin(),
                         [=](int8_t step) { return scale * static_cast<float>(step); });
}

template <typename Stored, typename Convert>
void store_each(std::span<const float> values, std::span<std::byte> into, Convert convert) {
  for (size_t i = 0; i < values.size(); ++i) {
    const Stored stored = convert(values[i]);
    std::memcpy(into.data() + i * sizeof(Stored), &stored, sizeof(Stored));
  }
}

template <typename Stored, typename Convert>
void load_each(std::span<const std::byte> stored, std::span<float> into, Convert convert) {
  for (size_t i = 0; i < into.size(); ++i) {
    Stored element;
    std::memcpy(&element, stored.data() + i * sizeof(Stored), sizeof(Stored));
    into[i] = convert(element);
  }
}

void store_q8(std::span<const float> values, std::span<std::byte> into) {
  for (size_t b = 0; b < values.size() / kQ8Elements; ++b) {
    const Q8Block block = to_q8(values.subspan(b * kQ8Elements, kQ8Elements));
    std::memcpy(into.data() + b * sizeof(Q8Block), &block, sizeof(Q8Block));
  }
}

void load_q8(std::span<const std::byte> stored, std::span<float> into) {
  for (size_t b = 0; b < into.size() / kQ8Elements; ++b) {
    Q8Block block;
    std::memcpy(&block, stored.data() + b * sizeof(Q8Block), sizeof(Q8Block));
    from_q8(block, into.subspan(b * kQ8Elements, kQ8Elements));
  }
}

void check_sizes(ElementType type, size_t elements, size_t bytes) {
  PRETRAIN_CHECK(elements % block_elements(type) == 0 && stored_bytes(type, elements) == bytes,
                 "{} elements of {} in {} bytes", elements, name_of(type), bytes);
}

}  // namespace

std::string_view name_of(ElementType type) {
  return row_of(type).name;
}

std::optional<ElementType> find_element_type(uint32_t value) {
  const auto* row = std::ranges::find(kTypes, static_cast<ElementType>(value), &TypeRow::type);
  return row == kTypes.end() ? std::nullopt : std::optional(row->type);
}

uint64_t block_elements(ElementType type) {
  return row_of(type).elements;
}

uint64_t stored_bytes(ElementType type, uint64_t elements) {
  const TypeRow& row = row_of(type);
  return elements / row.elements * row.bytes;
}

float largest_stored(ElementType type) {
  return row_of(type).largest;
}

void store_elements(ElementType type, std::span<const float> values, std::span<std::byte> into) {
  check_sizes(type, values.size(), into.size());
  switch (type) {
    case ElementType::kF32:
      return store_each<float>(values, into, [](float value) { return value; });
    case ElementType::kF16:
      return store_each<uint16_t>(values, into, to_f16);
    case ElementType::kBf16:
      return store_each<uint16_t>(values, into, to_bf16);
    case ElementType::kQ8_0:
      return store_q8(values, into);
  }
}

void load_elements(ElementType type, std::span<const std::byte> stored, std::span<float> into) {
  check_sizes(type, into.size(), stored.size());
  switch (type) {
    case ElementType::kF32:
      return load_each<float>(stored, into, [](float value) { return value; });
    case ElementType::kF16:
      return load_each<uint16_t>(stored, into, from_f16);
    case ElementType::kBf16:
      return load_each<uint16_t>(stored, into, from_bf16);
    case ElementType::kQ8_0:
      return load_q8(stored, into);
  }
}

}  // namespace pretrain
