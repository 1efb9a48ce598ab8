// SPDX-License-Identifier: Apache-2.0
#pragma once
// How the elements of a tensor are stored, and rounding to that. Stateless, thread-safe.
// Source: the GGML library's quantization of reference; equal bytes for every finite input.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace pretrain {

/// The values are those of the file format.
enum class ElementType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ8_0 = 8,  ///< 32 elements as bytes with one scale in f16
  kBf16 = 30,
};

/// "f32", "f16", "bf16", "q8_0".
std::string_view name_of(ElementType type);
/// Nothing for a type that is not known here.
std::optional<ElementType> find_element_type(uint32_t value);

/// Elements that are stored together: a row must be a multiple of it.
uint64_t block_elements(ElementType type);
/// Requires: whole blocks.
uint64_t stored_bytes(ElementType type, uint64_t elements);
/// The largest magnitude that does not become infinity.
float largest_stored(ElementType type);

/// Rounds to the nearest: f16 and bf16 ties to even; q8_0 multiples of max|x| / 127 of each block, ties away
/// from zero.
/// Requires: whole blocks; `into` is stored_bytes() long.
void store_elements(ElementType type, std::span<const float> values, std::span<std::byte> into);
/// The numbers that are stored.
/// Requires: as above.
void load_elements(ElementType type, std::span<const std::byte> stored, std::span<float> into);

}  // namespace pretrain
