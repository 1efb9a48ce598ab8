// SPDX-License-Identifier: Apache-2.0
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
  size_t part_bytes = 1;    ///< of the longest part that some character begins with: all of a valid one
  uint32_t code_point = 0;  ///< only when valid
};

/// The first character. kIncomplete: all of `text` could be the start of a character whose rest is missing.
/// Requires: text is not empty.
/// Source: Unicode 15, table 3-7 (well-formed UTF-8 byte sequences).
Utf8Character read_utf8(std::string_view text);

/// How many bytes the character has that begins with `lead`; 0 when none does.
size_t utf8_length(char lead);
/// Whether a byte continues a character, whichever.
constexpr bool continues_utf8(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

/// U+FFFD, which replaces a part of a text that is not UTF-8.
constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

/// Appends one character.
/// Requires: code_point is at most 0x10FFFF and no surrogate.
void append_utf8(uint32_t code_point, std::string& text);

/// What one U+FFFD replaces.
enum class Replaced {
  kByte,  ///< a byte that is not part of a character
  kPart,  ///< the longest part of such bytes that some character begins with, as Unicode recommends
};

/// Text from bytes that come in parts, of which each may end inside a character. Single-owner.
class Utf8Stream {
 public:
  explicit Utf8Stream(Replaced replaced = Replaced::kByte) : replaced_(replaced) {}

  /// Takes bytes and returns what is text by now: whole characters, and U+FFFD for what can't be part of one.
  /// The beginning of a character is held back.
  std::string push(std::string_view bytes);
  /// Returns the U+FFFD of what is held back, and starts afresh.
  std::string flush();

 private:
  Replaced replaced_;
  std::string held_;  // at most 3 bytes between calls
};

}  // namespace pretrain
