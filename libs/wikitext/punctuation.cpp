// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/punctuation.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

constexpr std::string_view kOpenings[] = {"(", "[", "（", "「", "『", "《", "〈", "“", "„", "«"};
constexpr std::string_view kClosings[] = {")", "]", "）", "」", "』", "》", "〉", "”", "»"};
constexpr std::string_view kSeparators[] = {",", ";", ":", "，", "；", "：", "、", "،", "؛"};
constexpr std::string_view kStops[] = {",", ";", ".", "，", "；", "。", "、", "،", "؛", "।"};

size_t mark_at_start(std::string_view text, std::span<const std::string_view> marks) {
  const auto begins = [&](std::string_view m) { return text[0] == m[0] && text.starts_with(m); };
  const auto mark = text.empty() ? marks.end() : std::ranges::find_if(marks, begins);
  return mark == marks.end() ? 0 : mark->size();
}

size_t mark_at_end(std::string_view text, std::span<const std::string_view> marks) {
  const auto mark = std::ranges::find_if(marks, [&](std::string_view m) { return text.ends_with(m); });
  return mark == marks.end() ? 0 : mark->size();
}

/// The code point of the three-byte character at `text`; 0 if there is none.
uint32_t wide_character(std::string_view text) {
  if (text.size() < 3 || (static_cast<unsigned char>(text[0]) & 0xF0) != 0xE0) return 0;
  const auto bits = [&](size_t i, uint32_t mask) { return static_cast<unsigned char>(text[i]) & mask; };
  return bits(0, 0x0F) << 12 | bits(1, 0x3F) << 6 | bits(2, 0x3F);
}

bool is_wide_punctuation(uint32_t character) {
  return (character >= 0x2000 && character <= 0x206F) || (character >= 0x3000 && character <= 0x303F) ||
         (character >= 0xFF01 && character <= 0xFF0F) || (character >= 0xFF1A && character <= 0xFF20) ||
         (character >= 0xFF3B && character <= 0xFF40) || (character >= 0xFF5B && character <= 0xFF65);
}

/// Chinese characters, kana and their punctuation.
bool is_unspaced(uint32_t character) {
  return (character >= 0x2E80 && character <= 0x9FFF) || (character >= 0xF900 && character <= 0xFAFF) ||
         (character >= 0xFF00 && character <= 0xFFEF);
}

}  // namespace

size_t opening_at_end(std::string_view text) {
  return mark_at_end(text, kOpenings);
}
size_t closing_at_start(std::string_view text) {
  return mark_at_start(text, kClosings);
}
size_t separator_at_start(std::string_view text) {
  return mark_at_start(text, kSeparators);
}

size_t separator_at_end(std::string_view text) {
  const size_t length = mark_at_end(text, kSeparators);
  return text.ends_with(':') ? 0 : length;
}

size_t stop_at_start(std::string_view text) {
  const size_t length = mark_at_start(text, kStops);
  const bool point = text.size() > 1 && text[0] == '.' && (text[1] == '.' || is_digit(text[1]));
  return point ? 0 : length;
}

bool has_words(std::string_view text) {
  return has_letters(text) || std::ranges::any_of(text, is_digit);  // letters come sooner
}

bool has_letters(std::string_view text) {
  while (!text.empty()) {
    if (is_letter(text.front())) return true;
    size_t length = 1;
    if (static_cast<unsigned char>(text.front()) >= 0x80) {
      const bool mark = text.starts_with("·") || text.starts_with("\xC2\xA0");  // no-break space
      if (!mark && !is_wide_punctuation(wide_character(text))) return true;
      length = mark ? 2 : 3;
    }
    text.remove_prefix(length);
  }
  return false;
}

bool joins_without_space(std::string_view before, std::string_view after) {
  return before.size() >= 3 && is_unspaced(wide_character(before.substr(before.size() - 3))) &&
         is_unspaced(wide_character(after));
}

}  // namespace pretrain::wikitext
