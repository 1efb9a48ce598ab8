// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/text_fold.h"

#include <algorithm>

namespace pretrain::wikitext {
namespace {

/// Converts the two-byte character at `at` to lower case if it is a capital of a covered script.
void fold_two_bytes(std::string& text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const auto trail = static_cast<unsigned char>(text[at + 1]);
  const auto set = [&](int new_lead, int new_trail) {
    text[at] = static_cast<char>(new_lead);
    text[at + 1] = static_cast<char>(new_trail);
  };
  if (lead == 0xC3 && trail >= 0x80 && trail <= 0x9E && trail != 0x97) set(lead, trail + 0x20);  // À to Þ
  if ((lead == 0xC4 && trail <= 0xB6) || (lead == 0xC5 && trail >= 0x8A && trail <= 0xB6)) {
    set(lead, trail | 1);  // Ā to Ŷ: capital even, small odd
  }
  if (lead == 0xC5 && (trail == 0xB9 || trail == 0xBB || trail == 0xBD)) set(lead, trail + 1);  // Ź Ż Ž
  if (lead == 0xCE && trail >= 0x91 && trail <= 0x9F) set(lead, trail + 0x20);                  // Α to Ο
  if (lead == 0xCE && trail >= 0xA0 && trail <= 0xA9) set(0xCF, trail - 0x20);                  // Π to Ω
  if (lead == 0xD0 && trail >= 0x90 && trail <= 0x9F) set(lead, trail + 0x20);                  // А to П
  if (lead == 0xD0 && trail >= 0xA0 && trail <= 0xAF) set(0xD1, trail - 0x20);                  // Р to Я
  if (lead == 0xD0 && trail <= 0x8F) set(0xD1, trail + 0x10);                                   // Ѐ to Џ
}

/// ASCII in lower case, `_` as a space.
constexpr std::array<char, 256> kFolded = [] {
  std::array<char, 256> folded{};
  for (int byte = 0; byte < 256; ++byte) folded[byte] = lower(static_cast<char>(byte));
  folded['_'] = ' ';
  return folded;
}();

/// Folds the character at `at`; returns where the next begins.
size_t fold_character(std::string& text, size_t at) {
  text[at] = kFolded[static_cast<unsigned char>(text[at])];
  const bool two_bytes = (static_cast<unsigned char>(text[at]) & 0xE0) == 0xC0 && at + 1 < text.size();
  if (two_bytes) fold_two_bytes(text, at);
  return at + (two_bytes ? 2 : 1);
}

}  // namespace

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string fold_name(std::string_view name) {
  std::string folded(trim(name));
  for (size_t at = 0; at < folded.size();) at = fold_character(folded, at);
  return folded;
}

std::string page_name(std::string_view name) {
  std::string page(trim(name));
  std::ranges::replace(page, '_', ' ');
  if (!page.empty()) fold_character(page, 0);
  return page;
}

std::string concat(std::initializer_list<std::string_view> parts) {
  std::string whole;
  for (const std::string_view part : parts) whole += part;
  return whole;
}

size_t run_length(std::string_view text, size_t position) {
  const size_t end = text.find_first_not_of(text[position], position);
  return (end == std::string_view::npos ? text.size() : end) - position;
}

std::vector<std::string_view> split_at_bars(std::string_view list) {
  std::vector<std::string_view> parts;
  while (!list.empty()) {
    const size_t end = std::min(list.find('|'), list.size());
    parts.push_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return parts;
}

}  // namespace pretrain::wikitext
