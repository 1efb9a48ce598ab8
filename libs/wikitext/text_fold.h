// SPDX-License-Identifier: Apache-2.0
#pragma once
// Small helpers on bytes of wikitext. Thread-safe: pure functions.

#include <array>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace pretrain::wikitext {

/// A set of bytes, for scans that stop at the first member.
class ByteSet {
 public:
  constexpr explicit ByteSet(std::string_view members) {
    for (const char member : members) holds_[static_cast<unsigned char>(member)] = true;
  }
  constexpr bool holds(char byte) const { return holds_[static_cast<unsigned char>(byte)]; }

  /// The first position at or after `position` that holds a member, or the size of `text`.
  size_t find(std::string_view text, size_t position) const {
    for (; position + kAtOnce <= text.size(); position += kAtOnce) {
      for (size_t i = 0; i < kAtOnce; ++i) {
        if (holds(text[position + i])) return position + i;
      }
    }
    while (position < text.size() && !holds(text[position])) ++position;
    return position;
  }

 private:
  static constexpr size_t kAtOnce = 8;  ///< bytes tested before the end of the text is checked again
  std::array<bool, 256> holds_{};
};

constexpr bool is_space(char byte) {
  return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}
constexpr bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}
constexpr bool is_letter(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}
constexpr char lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte;
}

/// `text` without spaces and line ends at both ends.
std::string_view trim(std::string_view text);

/// The form in which names of templates and namespaces are compared: trimmed, with `_` as a space, and in
/// lower case in the Latin, Greek and Cyrillic scripts.
std::string fold_name(std::string_view name);

/// A name as MediaWiki compares it: trimmed, with `_` as a space and a small first letter; the case of all other
/// letters counts.
std::string page_name(std::string_view name);

std::string concat(std::initializer_list<std::string_view> parts);

/// Length of the run of `text[position]` that starts at `position`.
size_t run_length(std::string_view text, size_t position);

/// The parts of a list with bars between them.
std::vector<std::string_view> split_at_bars(std::string_view list);

}  // namespace pretrain::wikitext
