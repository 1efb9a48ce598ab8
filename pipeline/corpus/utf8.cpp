// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/utf8.h"

#include <algorithm>

#include <simdjson.h>

#include "libs/base/utf8.h"

namespace pretrain {

/// Each maximal part of a character that is not complete becomes one U+FFFD, as Unicode recommends and Python's
/// errors="replace" does. Nearly all text is valid, so that is checked first, at several bytes a cycle.
size_t repair_utf8(std::string& text) {
  if (simdjson::validate_utf8(text)) return 0;
  std::string repaired;
  // A replacement has three bytes, often for one.
  repaired.reserve(text.size() + text.size() / 8);
  size_t replaced = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Character character = read_utf8(rest);
    const bool valid = character.state == Utf8Character::State::kValid;
    repaired.append(valid ? rest.substr(0, character.bytes) : kReplacementCharacter);
    replaced += valid ? 0 : 1;
    rest.remove_prefix(character.part_bytes);
  }
  text = std::move(repaired);
  return replaced;
}

/// A character has at most four bytes, so its lead is at most three bytes before any place inside it. Without a
/// lead there, the bytes are no UTF-8, and any place is as good as another.
size_t utf8_boundary(std::string_view text, size_t position) {
  if (position >= text.size()) return text.size();
  for (size_t back = 1; back <= std::min<size_t>(3, position); ++back) {
    const char byte = text[position - back];
    if (continues_utf8(byte)) continue;
    return back < utf8_length(byte) ? position - back : position;
  }
  return position;
}

size_t utf8_mark_length(std::string_view text) {
  return text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
}

}  // namespace pretrain
