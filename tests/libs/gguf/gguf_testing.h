// SPDX-License-Identifier: Apache-2.0
#pragma once
// The contents of data/elements.gguf, made as tests/interop/record_gguf.py makes them.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "libs/base/file.h"
#include "libs/gguf/writer.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {

inline Path golden_gguf() {
  return source_folder() / "tests/libs/gguf/data/elements.gguf";
}

/// Numbers that float32 holds exactly.
inline std::vector<float> sample_values(int64_t tensor, int64_t count) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<float>((i * 7919 + tensor * 104729) % 2003 - 1001) / 64);
  return values;
}

/// Ties, zeros, a small and a wide range, then a sample: six blocks of 32.
inline std::vector<float> q8_values() {
  std::vector<float> values;
  for (int j = 0; j < 32; ++j) {
    const float tie = static_cast<float>(j) + 0.5F;
    values.push_back(j == 0 ? 127 : j % 2 == 0 ? tie : -tie);
  }
  values.insert(values.end(), 32, 0.0F);
  for (int j = 0; j < 32; ++j) values.push_back(std::ldexp(static_cast<float>(j - 16), -20));
  for (int j = 0; j < 32; ++j) values.push_back(std::ldexp(1.0F, j - 16));
  const std::vector<float> rest = sample_values(4, 64);
  values.insert(values.end(), rest.begin(), rest.end());
  return values;
}

inline GgufOutline golden_outline() {
  return {.metadata = {{"general.architecture", std::string("test")},
                       {"u8", uint8_t{200}},
                       {"i8", int8_t{-100}},
                       {"u16", uint16_t{60000}},
                       {"i16", int16_t{-30000}},
                       {"u32", uint32_t{4000000000}},
                       {"i32", int32_t{-2000000000}},
                       {"f32", 0.1F},
                       {"yes", true},
                       {"text", std::string("a \u2581 b")},
                       {"u64", uint64_t{1} << 63},
                       {"i64", -(int64_t{1} << 62)},
                       {"f64", 0.1},
                       {"texts", std::vector<std::string>{"", "<0x0A>", "\u00e4"}},
                       {"numbers", std::vector<float>{1.5, -2}},
                       {"kinds", std::vector<int32_t>{1, 6, -3}},
                       {"flags", std::vector<bool>{true, false, true}}},
          .tensors = {{"single.weight", {3, 5}, ElementType::kF32},
                      {"half.weight", {2, 3, 5}, ElementType::kF16},
                      {"brain.bias", {7}, ElementType::kBf16},
                      {"steps.weight", {3, 64}, ElementType::kQ8_0}}};
}

inline std::vector<float> golden_values(size_t index) {
  if (index == 3) return q8_values();
  return sample_values(static_cast<int64_t>(index) + 1,
                       static_cast<int64_t>(element_count(golden_outline().tensors[index])));
}

/// The bytes of a file whose elements `values` gives.
inline std::string gguf_text(const GgufOutline& outline, const std::vector<std::vector<float>>& values) {
  std::string text;
  write_gguf(
      outline, [&](size_t i, std::span<float> into) { std::ranges::copy(values[i], into.begin()); },
      [&](std::span<const std::byte> piece) {
        const size_t at = text.size();
        text.resize(at + piece.size());
        if (!piece.empty()) std::memcpy(text.data() + at, piece.data(), piece.size());
      });
  return text;
}

inline std::string golden_text() {
  std::vector<std::vector<float>> values;
  for (size_t i = 0; i < golden_outline().tensors.size(); ++i) values.push_back(golden_values(i));
  return gguf_text(golden_outline(), values);
}

}  // namespace pretrain::test
