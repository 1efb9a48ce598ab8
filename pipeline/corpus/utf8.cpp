#include "pipeline/corpus/utf8.h"

#include <algorithm>

#include <simdjson.h>

namespace pretrain {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// The bytes that may follow a lead byte directly, and how long the sequence is. Length 0: not a lead byte.
struct Lead {
  size_t length;
  unsigned char second_low;
  unsigned char second_high;
};

/// Source: The Unicode Standard, table 3-7, "Well-Formed UTF-8 Byte Sequences".
Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {1, 0x80, 0xBF};
  if (byte < 0xC2 || byte > 0xF4) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte < 0xF0) {
    const unsigned char low = byte == 0xE0 ? 0xA0 : 0x80;
    const unsigned char high = byte == 0xED ? 0x9F : 0xBF;
    return {3, low, high};
  }
  const unsigned char low = byte == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = byte == 0xF4 ? 0x8F : 0xBF;
  return {4, low, high};
}

struct Part {
  size_t length;
  bool valid;
};

/// The character or the maximal invalid part at the front.
/// Requires: not empty.
Part front_part(std::string_view text) {
  const Lead lead = lead_of(static_cast<unsigned char>(text[0]));
  if (lead.length == 0) return {1, false};
  size_t length = 1;
  unsigned char low = lead.second_low;
  unsigned char high = lead.second_high;
  while (length < lead.length && length < text.size()) {
    const auto byte = static_cast<unsigned char>(text[length]);
    if (byte < low || byte > high) break;
    low = 0x80;
    high = 0xBF;
    ++length;
  }
  return {length, length == lead.length};
}

}  // namespace

size_t repair_utf8(std::string& text) {
  if (simdjson::validate_utf8(text)) return 0;
  std::string repaired;
  repaired.reserve(text.size() + text.size() / 8);
  size_t replaced = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const Part part = front_part(rest);
    repaired.append(part.valid ? rest.substr(0, part.length) : kReplacement);
    replaced += part.valid ? 0 : 1;
    rest.remove_prefix(part.length);
  }
  text = std::move(repaired);
  return replaced;
}

size_t utf8_boundary(std::string_view text, size_t position) {
  if (position >= text.size()) return text.size();
  for (size_t back = 1; back <= std::min<size_t>(3, position); ++back) {
    const auto byte = static_cast<unsigned char>(text[position - back]);
    const bool continuation = (byte & 0xC0) == 0x80;
    if (continuation) continue;
    return back < lead_of(byte).length ? position - back : position;
  }
  return position;
}

size_t utf8_mark_length(std::string_view text) {
  return text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
}

}  // namespace pretrain
