// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/character_data.h"

#include <algorithm>
#include <cstdint>

namespace pretrain {
namespace {

struct Entity {
  std::string_view reference;
  char character;
};

/// Decodes and removes the reference at the start of `raw`. False if it is not one of XML's five.
bool take_entity(std::string_view& raw, std::string& text) {
  static constexpr Entity kEntities[] = {
      {"&quot;", '"'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&apos;", '\''}};
  for (const Entity& entity : kEntities) {
    if (!raw.starts_with(entity.reference)) continue;
    text += entity.character;
    raw.remove_prefix(entity.reference.size());
    return true;
  }
  return false;
}

/// Not 0 if the byte between `before` and `after` may not be text, apart from '&'. Only bytes and no
/// branches, so that the compiler vectorises the loop.
constexpr uint8_t suspicious(uint8_t before, uint8_t after) {
  const auto control = static_cast<uint8_t>((before < ' ') & (before != '\t') & (before != '\n'));
  const auto markup = static_cast<uint8_t>((before == '<') | (before == '>'));
  return control | markup | static_cast<uint8_t>((before == 0xEF) & (after == 0xBF));
}

bool is_text_in_its_place(std::string_view raw, size_t at) {
  if (raw[at] == '>') return at < 2 || raw.substr(at - 2, 2) != "]]";
  if (raw[at] != '\xEF') return false;
  const std::string_view character = raw.substr(at, 3);
  return character != "\xEF\xBF\xBE" && character != "\xEF\xBF\xBF";  // U+FFFE and U+FFFF are none
}

/// Whether everything except references is text.
bool is_text(std::string_view raw) {
  if (raw.empty()) return true;
  const auto* bytes = reinterpret_cast<const uint8_t*>(raw.data());
  const size_t last = raw.size() - 1;
  uint8_t any = suspicious(bytes[last], 0);
  for (size_t at = 0; at < last; ++at) any |= suspicious(bytes[at], bytes[at + 1]);
  if (any == 0) return true;
  for (size_t at = 0; at <= last; ++at) {
    const uint8_t after = at < last ? bytes[at + 1] : 0;
    if (suspicious(bytes[at], after) != 0 && !is_text_in_its_place(raw, at)) return false;
  }
  return true;
}

}  // namespace

bool append_character_data(std::string_view raw, std::string& text) {
  if (!is_text(raw)) return false;
  text.reserve(text.size() + raw.size());
  for (;;) {
    const size_t reference = std::min(raw.find('&'), raw.size());
    text.append(raw, 0, reference);
    raw.remove_prefix(reference);
    if (raw.empty()) return true;
    if (!take_entity(raw, text)) return false;
  }
}

}  // namespace pretrain
