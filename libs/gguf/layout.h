// SPDX-License-Identifier: Apache-2.0
#pragma once
// Numbers of the GGUF format, version 3, that its writer and its reader share.
// Layout: "GGUF", u32 version, u64 tensors, u64 keys; each key: name, u32 type, value; each tensor: name, u32
// dimensions, u64 extents (the fastest first), u32 type, u64 offset; zeros up to the alignment; the elements,
// each tensor padded to the alignment, without gaps and in this order. A string is a u64 length and its
// bytes. All numbers are little-endian.
// Source: ggml/include/gguf.h and ggml/src/gguf.cpp of llama.cpp, which refuses everything else.

#include <cstdint>
#include <string_view>

namespace pretrain::gguf_layout {

inline constexpr std::string_view kMagic = "GGUF";
inline constexpr uint32_t kVersion = 3;
inline constexpr uint32_t kArrayType = 9;
inline constexpr uint64_t kAlignment = 32;  // where general.alignment does not say another one
inline constexpr std::string_view kAlignmentKey = "general.alignment";

/// The next multiple of `alignment`, a power of two.
constexpr uint64_t padded(uint64_t bytes, uint64_t alignment = kAlignment) {
  return (bytes + alignment - 1) & ~(alignment - 1);
}

}  // namespace pretrain::gguf_layout
