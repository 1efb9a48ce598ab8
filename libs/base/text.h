#pragma once
// Small questions about text, and text from a file on its way to a terminal, a log or the journal. Stateless,
// thread-safe.

#include <string>
#include <string_view>

namespace pretrain {

enum class LineBreaks { kEscape, kKeep };  ///< what happens to \n, and to \t likewise

/// `text` in a form that a terminal shows and never obeys: control characters (C0, DEL, C1), characters that
/// reverse or embed a writing direction or break a line, and bytes that are not UTF-8 become \n, \t, \r,
/// \x1b, \u009b. Everything else stays, the backslash too, so that escaping twice is the same as once.
std::string printable(std::string_view text, LineBreaks line_breaks = LineBreaks::kEscape);

/// `text` without ASCII white space at both ends.
std::string_view trim_blanks(std::string_view text);
inline bool is_blank(std::string_view text) {
  return trim_blanks(text).empty();
}

}  // namespace pretrain
