// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/letter_case.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <unordered_map>

#include "libs/base/utf8.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

/// Small letters whose capitals are at one distance. Source: Unicode 15, UnicodeData.txt, pairs of one to one.
struct SmallLetters {
  uint32_t first;
  uint32_t last;
  uint32_t step;
  int32_t to_capital;
};
constexpr SmallLetters kSmallLetters[] = {
    {'a', 'z', 1, 'A' - 'a'},   {0x00E0, 0x00F6, 1, -32},   {0x00F8, 0x00FE, 1, -32},
    {0x00FF, 0x00FF, 1, 121},   {0x0101, 0x012F, 2, -1},    {0x0133, 0x0137, 2, -1},
    {0x013A, 0x0148, 2, -1},    {0x014B, 0x0177, 2, -1},    {0x017A, 0x017E, 2, -1},
    {0x0180, 0x0180, 1, 195},   {0x0183, 0x0185, 2, -1},    {0x0188, 0x0188, 1, -1},
    {0x018C, 0x018C, 1, -1},    {0x0192, 0x0192, 1, -1},    {0x0195, 0x0195, 1, 97},
    {0x0199, 0x0199, 1, -1},    {0x019A, 0x019A, 1, 163},   {0x019E, 0x019E, 1, 130},
    {0x01A1, 0x01A5, 2, -1},    {0x01A8, 0x01A8, 1, -1},    {0x01AD, 0x01AD, 1, -1},
    {0x01B0, 0x01B0, 1, -1},    {0x01B4, 0x01B6, 2, -1},    {0x01B9, 0x01B9, 1, -1},
    {0x01BD, 0x01BD, 1, -1},    {0x01BF, 0x01BF, 1, 56},    {0x01C6, 0x01C6, 1, -2},
    {0x01C9, 0x01C9, 1, -2},    {0x01CC, 0x01CC, 1, -2},    {0x01CE, 0x01DC, 2, -1},
    {0x01DD, 0x01DD, 1, -79},   {0x01DF, 0x01EF, 2, -1},    {0x01F3, 0x01F3, 1, -2},
    {0x01F5, 0x01F5, 1, -1},    {0x01F9, 0x021F, 2, -1},    {0x0223, 0x0233, 2, -1},
    {0x023C, 0x023C, 1, -1},    {0x023F, 0x0240, 1, 10815}, {0x0242, 0x0242, 1, -1},
    {0x0247, 0x024F, 2, -1},    {0x0250, 0x0250, 1, 10783}, {0x0251, 0x0251, 1, 10780},
    {0x0252, 0x0252, 1, 10782}, {0x0253, 0x0253, 1, -210},  {0x0254, 0x0254, 1, -206},
    {0x0256, 0x0257, 1, -205},  {0x0259, 0x0259, 1, -202},  {0x025B, 0x025B, 1, -203},
    {0x025C, 0x025C, 1, 42319}, {0x0260, 0x0260, 1, -205},  {0x0261, 0x0261, 1, 42315},
    {0x0263, 0x0263, 1, -207},  {0x0265, 0x0265, 1, 42280}, {0x0266, 0x0266, 1, 42308},
    {0x0268, 0x0268, 1, -209},  {0x0269, 0x0269, 1, -211},  {0x026A, 0x026A, 1, 42308},
    {0x026B, 0x026B, 1, 10743}, {0x026C, 0x026C, 1, 42305}, {0x026F, 0x026F, 1, -211},
    {0x0271, 0x0271, 1, 10749}, {0x0272, 0x0272, 1, -213},  {0x0275, 0x0275, 1, -214},
    {0x027D, 0x027D, 1, 10727}, {0x0280, 0x0280, 1, -218},  {0x0282, 0x0282, 1, 42307},
    {0x0283, 0x0283, 1, -218},  {0x0287, 0x0287, 1, 42282}, {0x0288, 0x0288, 1, -218},
    {0x0289, 0x0289, 1, -69},   {0x028A, 0x028B, 1, -217},  {0x028C, 0x028C, 1, -71},
    {0x0292, 0x0292, 1, -219},  {0x029D, 0x029D, 1, 42261}, {0x029E, 0x029E, 1, 42258},
    {0x0371, 0x0373, 2, -1},    {0x0377, 0x0377, 1, -1},    {0x037B, 0x037D, 1, 130},
    {0x03AC, 0x03AC, 1, -38},   {0x03AD, 0x03AF, 1, -37},   {0x03B1, 0x03C1, 1, -32},
    {0x03C3, 0x03CB, 1, -32},   {0x03CC, 0x03CC, 1, -64},   {0x03CD, 0x03CE, 1, -63},
    {0x03D7, 0x03D7, 1, -8},    {0x03D9, 0x03EF, 2, -1},    {0x03F2, 0x03F2, 1, 7},
    {0x03F3, 0x03F3, 1, -116},  {0x03F8, 0x03F8, 1, -1},    {0x03FB, 0x03FB, 1, -1},
    {0x0430, 0x044F, 1, -32},   {0x0450, 0x045F, 1, -80},   {0x0461, 0x0481, 2, -1},
    {0x048B, 0x04BF, 2, -1},    {0x04C2, 0x04CE, 2, -1},    {0x04CF, 0x04CF, 1, -15},
    {0x04D1, 0x052F, 2, -1},    {0x0561, 0x0586, 1, -48},   {0x1E01, 0x1E95, 2, -1},
    {0x1EA1, 0x1EFF, 2, -1},    {0x1F00, 0x1F07, 1, 8},     {0x1F10, 0x1F15, 1, 8},
    {0x1F20, 0x1F27, 1, 8},     {0x1F30, 0x1F37, 1, 8},     {0x1F40, 0x1F45, 1, 8},
    {0x1F51, 0x1F57, 2, 8},     {0x1F60, 0x1F67, 1, 8},     {0x1F70, 0x1F71, 1, 74},
    {0x1F72, 0x1F75, 1, 86},    {0x1F76, 0x1F77, 1, 100},   {0x1F78, 0x1F79, 1, 128},
    {0x1F7A, 0x1F7B, 1, 112},   {0x1F7C, 0x1F7D, 1, 126},   {0x1FE5, 0x1FE5, 1, 7},
    {0x2170, 0x217F, 1, -16},   {0x2C30, 0x2C5F, 1, -48},   {0xFF41, 0xFF5A, 1, -32},
};

/// Letters whose other case has several letters, or is that of another letter, too. Source: Unicode 15,
/// SpecialCasing.txt, without conditions and without Greek letters with a subscript, and UnicodeData.txt.
struct Casing {
  std::string_view from;
  std::string_view to;
};
constexpr Casing kSpecialCapitals[] = {
    {"ß", "SS"}, {"ı", "I"},   {"ſ", "S"},   {"µ", "Μ"},  {"ς", "Σ"},  {"ŉ", "ʼN"}, {"ǰ", "J̌"},  {"և", "ԵՒ"},
    {"ẖ", "H̱"},  {"ẗ", "T̈"},   {"ẘ", "W̊"},   {"ẙ", "Y̊"},  {"ẚ", "Aʾ"}, {"ẛ", "Ṡ"},  {"ﬀ", "FF"}, {"ﬁ", "FI"},
    {"ﬂ", "FL"}, {"ﬃ", "FFI"}, {"ﬄ", "FFL"}, {"ﬅ", "ST"}, {"ﬆ", "ST"}, {"ΐ", "Ϊ́"},  {"ΰ", "Ϋ́"},  {"ϐ", "Β"},
    {"ϑ", "Θ"},  {"ϕ", "Φ"},   {"ϖ", "Π"},   {"ϰ", "Κ"},  {"ϱ", "Ρ"},  {"ϵ", "Ε"}};
constexpr Casing kSpecialSmall[] = {
    {"İ", "i̇"}, {"ẞ", "ß"}, {"\u212A", "k"}, {"\u2126", "ω"}, {"\u212B", "å"}};

using Letters = std::unordered_map<uint32_t, uint32_t>;

const Letters& capitals() {
  static const Letters kCapitals = [] {
    Letters letters;
    for (const SmallLetters& run : kSmallLetters) {
      for (uint32_t letter = run.first; letter <= run.last; letter += run.step)
        letters.emplace(letter, static_cast<uint32_t>(static_cast<int32_t>(letter) + run.to_capital));
    }
    return letters;
  }();
  return kCapitals;
}

const Letters& small_letters() {
  static const Letters kSmall = [] {
    Letters letters;
    for (const auto& [small, capital] : capitals()) letters.emplace(capital, small);
    return letters;
  }();
  return kSmall;
}

const Casing* special(std::span<const Casing> casings, std::string_view letter) {
  if (letter.size() < 2) return nullptr;
  const auto found = std::ranges::find(casings, letter, &Casing::from);
  return found == casings.end() ? nullptr : &*found;
}

std::string changed(std::string_view text, const Letters& letters, std::span<const Casing> specials,
                    bool first_only) {
  std::string result;
  while (!text.empty()) {
    const Utf8Character character = read_utf8(text);
    if (const Casing* casing = special(specials, text.substr(0, character.bytes))) {
      result += casing->to;
      text.remove_prefix(character.bytes);
      if (first_only) return result.append(text);
      continue;
    }
    const bool valid = character.state == Utf8Character::State::kValid;
    const auto letter = valid ? letters.find(character.code_point) : letters.end();
    if (letter == letters.end()) {
      result += text.substr(0, character.bytes);
    } else {
      append_utf8(letter->second, result);
    }
    text.remove_prefix(character.bytes);
    if (first_only) return result.append(text);
  }
  return result;
}

bool has_two_kinds_of_i(std::string_view language) {
  return language == "tr" || language == "az" || language == "kaa";
}

}  // namespace

std::string in_capitals(std::string_view text) {
  return changed(text, capitals(), kSpecialCapitals, false);
}

std::string in_small_letters(std::string_view text) {
  return changed(text, small_letters(), kSpecialSmall, false);
}

std::string with_first_capital(std::string_view text, std::string_view language) {
  if (has_two_kinds_of_i(language) && text.starts_with('i')) return concat({"İ", text.substr(1)});
  if (text.starts_with("ı")) return concat({"I", text.substr(std::string_view("ı").size())});
  return changed(text, capitals(), {}, true);
}

std::string with_first_small(std::string_view text, std::string_view language) {
  if (has_two_kinds_of_i(language) && text.starts_with('I')) return concat({"ı", text.substr(1)});
  if (has_two_kinds_of_i(language) && text.starts_with("İ"))
    return concat({"i", text.substr(std::string_view("İ").size())});
  return changed(text, small_letters(), kSpecialSmall, true);
}

bool begins_with_small_letter(std::string_view text) {
  if (text.empty()) return false;
  const Utf8Character first = read_utf8(text);
  return first.state == Utf8Character::State::kValid && capitals().contains(first.code_point);
}

}  // namespace pretrain::wikitext
