// SPDX-License-Identifier: Apache-2.0
#pragma once
// The content of a GGUF file: keys with values, and tensors. Values keep their exact type, because readers
// expect certain types.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "libs/gguf/element_type.h"

namespace pretrain {

/// The place of an alternative is the number of its type in the file; 9 is an array, which holds no arrays.
using GgufArray =
    std::variant<std::vector<uint8_t>, std::vector<int8_t>, std::vector<uint16_t>, std::vector<int16_t>,
                 std::vector<uint32_t>, std::vector<int32_t>, std::vector<float>, std::vector<bool>,
                 std::vector<std::string>, std::monostate, std::vector<uint64_t>, std::vector<int64_t>,
                 std::vector<double>>;
using GgufValue = std::variant<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, float, bool,
                               std::string, GgufArray, uint64_t, int64_t, double>;

struct GgufEntry {
  std::string key;
  GgufValue value;

  bool operator==(const GgufEntry&) const = default;
};

struct GgufTensor {
  std::string name;             ///< at most 63 bytes
  std::vector<uint64_t> shape;  ///< row-major as everywhere here, [rows, columns]; 1 to 4 extents
  ElementType type = ElementType::kF32;

  bool operator==(const GgufTensor&) const = default;
};

/// Everything but the elements.
struct GgufOutline {
  std::vector<GgufEntry> metadata;
  std::vector<GgufTensor> tensors;  ///< in the order of the file
};

inline constexpr size_t kMostGgufNameBytes = 63;
inline constexpr size_t kMostGgufDimensions = 4;

/// Elements of a tensor.
/// Requires: the product of its extents fits 64 bits.
uint64_t element_count(const GgufTensor& tensor);
/// Bytes of its elements, without what follows them up to the next one.
uint64_t data_bytes(const GgufTensor& tensor);

/// Nothing when no key has that name.
const GgufValue* find_value(const std::vector<GgufEntry>& metadata, std::string_view key);

}  // namespace pretrain
