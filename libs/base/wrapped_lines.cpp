// SPDX-License-Identifier: Apache-2.0
#include "libs/base/wrapped_lines.h"

#include <algorithm>

namespace pretrain {
namespace {

constexpr size_t kNone = std::string_view::npos;

/// Bytes of the first characters of UTF-8 text; kNone if it has no more than these.
size_t bytes_of_characters(std::string_view text, size_t characters) {
  for (size_t at = 0; at < text.size(); ++at) {
    const bool continues = (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
    if (!continues && characters-- == 0) return at;
  }
  return kNone;
}

/// The blank at which to break a line that is too long; kNone for a line of one word.
size_t break_of(std::string_view line, size_t room) {
  const size_t first_word = line.find_first_not_of(' ');
  if (first_word == kNone) return kNone;
  const size_t last = line.rfind(' ', bytes_of_characters(line, room));
  if (last != kNone && last > first_word) return last;
  return line.find(' ', first_word);
}

std::string wrapped_line(std::string_view line, size_t columns) {
  const std::string indent(std::min(line.find_first_not_of(' '), line.size()) + 2, ' ');
  std::string text;
  size_t room = columns;
  while (bytes_of_characters(line, room) != kNone) {
    const size_t at = break_of(line, room);
    if (at == kNone) break;
    text += line.substr(0, at);
    text += '\n' + indent;
    line.remove_prefix(at + 1);
    room = columns > 2 * indent.size() ? columns - indent.size() : columns;
  }
  text += line;
  return text;
}

}  // namespace

std::string wrapped_lines(std::string_view text, size_t columns) {
  std::string wrapped;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    wrapped += wrapped_line(text.substr(0, end), columns);
    if (end == kNone) break;
    wrapped += '\n';
    text.remove_prefix(end + 1);
  }
  return wrapped;
}

}  // namespace pretrain
