// SPDX-License-Identifier: Apache-2.0
#pragma once
// Small text helpers, and the escaping of text from files for a terminal, a log or the journal. Stateless,
// thread-safe.

#include <string>
#include <string_view>

namespace pretrain {

enum class LineBreaks { kEscape, kKeep };  ///< what happens to `\n`, and to `\t` likewise

/// `text` with escapes for everything that could control a terminal: control characters (C0, DEL, C1),
/// characters that change the writing direction or break a line, and bytes that are not UTF-8 become `\n`, `\t`,
/// `\r`, `\x1b`, `\u009b`. All else is unchanged, also backslashes, so escaping twice has the same result as
/// escaping once.
std::string printable(std::string_view text, LineBreaks line_breaks = LineBreaks::kEscape);

/// `text` without ASCII white space at both ends.
std::string_view trim_blanks(std::string_view text);
inline bool is_blank(std::string_view text) {
  return trim_blanks(text).empty();
}

}  // namespace pretrain
