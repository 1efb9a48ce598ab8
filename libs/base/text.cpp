// SPDX-License-Identifier: Apache-2.0
#include "libs/base/text.h"

#include <cstdint>

#include <fmt/format.h>

#include "libs/base/utf8.h"

namespace pretrain {
namespace {

/// The Unicode characters that change how a line around them is shown: line and paragraph separator (2028,
/// 2029), embeddings and overrides (202A to 202E) and isolates (2066 to 2069) of the writing direction. The
/// marks 200E, 200F and 061C stay: ordinary Arabic and Hebrew text has them, and they only affect the
/// characters next to them.
bool changes_its_line(uint32_t code_point) {
  return (code_point >= 0x2028 && code_point <= 0x202E) || (code_point >= 0x2066 && code_point <= 0x2069);
}

bool is_control(uint32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0);
}

void append_escape(uint32_t code_point, std::string& into) {
  switch (code_point) {
    case '\n':
      into += "\\n";
      break;
    case '\t':
      into += "\\t";
      break;
    case '\r':
      into += "\\r";
      break;
    default:
      into += code_point < 0x80 ? fmt::format("\\x{:02x}", code_point) : fmt::format("\\u{:04x}", code_point);
  }
}

}  // namespace

std::string printable(std::string_view text, LineBreaks line_breaks) {
  const bool keep = line_breaks == LineBreaks::kKeep;
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const Utf8Character character = read_utf8(text);
    const uint32_t code_point = character.code_point;
    if (character.state != Utf8Character::State::kValid) {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
    } else if (keep && (code_point == '\n' || code_point == '\t')) {
      shown += text.front();
    } else if (is_control(code_point) || changes_its_line(code_point)) {
      append_escape(code_point, shown);
    } else {
      shown += text.substr(0, character.bytes);
    }
    text.remove_prefix(character.bytes);
  }
  return shown;
}

std::string_view trim_blanks(std::string_view text) {
  static constexpr std::string_view kBlanks = " \t\n\v\f\r";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace pretrain
