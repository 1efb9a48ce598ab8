// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/composition.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include <utf8proc.h>

#include "libs/base/check.h"
#include "libs/base/utf8.h"

namespace pretrain {
namespace {

// The first byte of U+0300, the first mark. A text of characters below it is in NFC.
constexpr unsigned char kFirstMarkLead = 0xCC;

struct Range {
  uint32_t first, last;
};

/// Characters with a combining class, or a composition, since Unicode 9 and up to 15.
constexpr std::array kNewer = std::to_array<Range>(
    {{0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},     {0xC3C, 0xC3C},
     {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x1715, 0x1715},   {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},
     {0xA82C, 0xA82C},   {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50},
     {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A},
     {0x11930, 0x11930}, {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34},
     {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97},
     {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE},
     {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}});

bool is_newer(uint32_t code_point) {
  const auto* range = std::ranges::lower_bound(kNewer, code_point, {}, &Range::last);
  return range != kNewer.end() && range->first <= code_point;
}

int combining_class(int32_t code_point) {
  return utf8proc_get_property(code_point)->combining_class;
}

void append_decomposed(uint32_t code_point, std::vector<int32_t>& out) {
  constexpr size_t kLongest = 8;  // of a character; four are enough
  std::array<int32_t, kLongest> parts{};
  int boundary = 0;
  const auto count = utf8proc_decompose_char(static_cast<int32_t>(code_point), parts.data(), kLongest,
                                             UTF8PROC_DECOMPOSE, &boundary);
  PRETRAIN_CHECK(count > 0 && count <= static_cast<ptrdiff_t>(kLongest), "{:x} has {} parts", code_point,
                 count);
  out.insert(out.end(), parts.begin(), parts.begin() + count);
}

/// Sorts each run of marks by class. The library's own sort is quadratic in the length of a run.
void order_marks(std::span<int32_t> characters) {
  for (auto at = characters.begin(); at != characters.end();) {
    if (combining_class(*at) == 0) {
      ++at;
      continue;
    }
    const auto end = std::find_if(at, characters.end(), [](int32_t c) { return combining_class(c) == 0; });
    std::stable_sort(at, end, [](int32_t a, int32_t b) { return combining_class(a) < combining_class(b); });
    at = end;
  }
}

/// Appends the NFC of decomposed characters and empties them.
void append_composed(std::vector<int32_t>& characters, std::string& out) {
  order_marks(characters);
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  const auto count =
      utf8proc_normalize_utf32(characters.data(), static_cast<ptrdiff_t>(characters.size()), options);
  PRETRAIN_CHECK(count >= 0, "{}", utf8proc_errmsg(count));
  for (const int32_t c : std::span(characters).first(static_cast<size_t>(count)))
    append_utf8(static_cast<uint32_t>(c), out);
  characters.clear();
}

}  // namespace

std::string composed(std::string_view text) {
  const bool may_change =
      std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) >= kFirstMarkLead; });
  if (!may_change) return std::string(text);
  std::string out;
  std::vector<int32_t> characters;
  while (!text.empty()) {
    const Utf8Character character = read_utf8(text);
    text.remove_prefix(character.bytes);
    if (is_newer(character.code_point)) {
      append_composed(characters, out);
      append_utf8(character.code_point, out);
    } else {
      append_decomposed(character.code_point, characters);
    }
  }
  append_composed(characters, out);
  return out;
}

}  // namespace pretrain
