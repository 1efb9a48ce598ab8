#pragma once
// Reads and writes UTF-8 one character at a time, including incomplete and damaged input. Stateless,
// thread-safe.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pretrain {

/// The character at the start of a text.
struct Utf8Character {
  enum class State { kValid, kInvalid, kIncomplete };

  State state = State::kInvalid;
  size_t bytes = 1;         ///< length when valid, else 1
  uint32_t code_point = 0;  ///< only when valid
};

/// The first character. kIncomplete: all of `text` could be the start of a character whose rest is missing.
/// Requires: text is not empty.
/// Source: Unicode 15, table 3-7 (well-formed UTF-8 byte sequences).
Utf8Character read_utf8(std::string_view text);

/// Appends one character.
/// Requires: code_point is at most 0x10FFFF and no surrogate.
void append_utf8(uint32_t code_point, std::string& text);

}  // namespace pretrain
