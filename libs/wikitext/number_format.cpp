// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/number_format.h"

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <utility>

#include "libs/base/utf8.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

/// How a language writes numbers.
struct NumberForm {
  std::string_view group = " ";    ///< between groups of digits
  std::string_view decimal = ",";  ///< before decimals
  size_t least = 4;                ///< the fewest digits that are grouped
  bool lakhs = false;              ///< two digits in each group before the last: 12,34,567
  uint32_t zero = 0;               ///< of the script, where the wiki shows its digits; 0 for those of Europe
};

/// Sets `member` for languages between spaces.
template <typename Value>
struct Setting {
  std::string_view languages;
  Value NumberForm::*member;
  Value value;
};

constexpr std::string_view kPoints = " az bs ca da de el eu gl hr id jv km mk nl ro sl sr su tr vi ";
constexpr std::string_view kCommas =
    " am as bn bpy ceb cy dty en ga gd gu gv ha he hi ig ja kn ko lzh mai ml mn mni mr ms mt my ne new or pa pnb sa sat "
    "sco si simple so sw ta te th tl ur war wuu yo yue zh zu ";
constexpr std::string_view kArabic = " ar arz azb ckb fa glk mzn ps ";

/// Source: MediaWiki 1.39, separatorTransformTable.
constexpr Setting<std::string_view> kMarks[] = {
    {kPoints, &NumberForm::group, "."},   {kCommas, &NumberForm::group, ","},
    {kCommas, &NumberForm::decimal, "."}, {kArabic, &NumberForm::group, "٬"},
    {kArabic, &NumberForm::decimal, "٫"},
};
/// Source: MediaWiki 1.39, minimumGroupingDigits.
constexpr Setting<size_t> kLeast[] = {{" bg es et hy pl ru uk ", &NumberForm::least, 5}};
/// Source: MediaWiki 1.39, digitGroupingPattern.
constexpr Setting<bool> kLakhs[] = {
    {" as bn bpy dty gu hi kn mai ml mr ne new or pa sa ta te ", &NumberForm::lakhs, true}};
/// Source: MediaWiki 1.39, digitTransformTable, but for the Wikipedias that are set to show 0 to 9 (wgTranslateNumerals).
constexpr Setting<uint32_t> kDigits[] = {
    {" arz ckb ", &NumberForm::zero, 0x0660},
    {" azb fa glk lrc mzn ", &NumberForm::zero, 0x06F0},
    {" dty mai mr ne new sa ", &NumberForm::zero, 0x0966},
    {" bn bpy ", &NumberForm::zero, 0x09E6},
    {" pa ", &NumberForm::zero, 0x0A66},
    {" gu ", &NumberForm::zero, 0x0AE6},
    {" or ", &NumberForm::zero, 0x0B66},
    {" kn ", &NumberForm::zero, 0x0CE6},
    {" bo dz ", &NumberForm::zero, 0x0F20},
    {" my ", &NumberForm::zero, 0x1040},
    {" km ", &NumberForm::zero, 0x17E0},
    {" sat ", &NumberForm::zero, 0x1C50},
};

using NumberForms = std::unordered_map<std::string_view, NumberForm>;

template <typename Value, size_t kCount>
void add_settings(const Setting<Value> (&settings)[kCount], NumberForms& forms) {
  for (const auto& [languages, member, value] : settings) {
    for (size_t at = 1; at < languages.size();) {
      const size_t end = languages.find(' ', at);
      forms[languages.substr(at, end - at)].*member = value;
      at = end + 1;
    }
  }
}

const NumberForm& form_of(std::string_view language) {
  static const NumberForm kOther;
  static const NumberForms kForms = [] {
    NumberForms forms;
    add_settings(kMarks, forms);
    add_settings(kLeast, forms);
    add_settings(kLakhs, forms);
    add_settings(kDigits, forms);
    return forms;
  }();
  const auto found = kForms.find(language);
  return found == kForms.end() ? kOther : found->second;
}

/// The length of the number at the start of `text`: digits, perhaps with decimals; 0 when there is none.
size_t number_length(std::string_view text) {
  const auto digits = [&](size_t at) {
    return std::min(text.find_first_not_of("0123456789", at), text.size()) - at;
  };
  const size_t whole = digits(0);
  const bool point = whole > 0 && text.substr(whole).starts_with('.');
  const size_t decimals = point ? digits(whole + 1) : 0;
  return decimals > 0 ? whole + 1 + decimals : whole;
}

/// A number as computers write it, in the form of the language. One that begins with zeros is no quantity.
void append_number(std::string_view number, const NumberForm& form, std::string& result) {
  const size_t end = std::min(number.find('.'), number.size());
  const std::string_view whole = number.substr(0, end);
  const bool quantity = whole.size() == 1 || whole.front() != '0';
  const bool grouped = quantity && whole.size() >= form.least;
  const size_t others = form.lakhs ? 2 : 3;
  for (size_t i = 0; i < whole.size(); ++i) {
    const size_t left = whole.size() - i;
    if (grouped && i > 0 && left >= 3 && (left - 3) % others == 0) result += form.group;
    result += whole[i];
  }
  if (end == number.size()) return;
  result += form.decimal;
  result += number.substr(end + 1);
}

std::string with_digits_from(uint32_t zero, std::string_view text) {
  std::string result;
  for (const char byte : text) {
    if (is_digit(byte)) {
      append_utf8(zero + static_cast<uint32_t>(byte - '0'), result);
    } else {
      result += byte;
    }
  }
  return result;
}

/// Takes the digits of one place of a Roman number from the start of `text`, such as ix, iv, v and vii.
void take_roman_place(std::string_view& text, char one, char five, char ten) {
  const auto take = [&](std::initializer_list<char> digits) {
    if (!text.starts_with(std::string_view(digits.begin(), digits.size()))) return false;
    text.remove_prefix(digits.size());
    return true;
  };
  if (take({one, ten}) || take({one, five})) return;
  take({five});
  for (int i = 0; i < 3 && take({one}); ++i) {
  }
}

}  // namespace

std::string native_digits(std::string_view text, std::string_view language) {
  const uint32_t zero = form_of(language).zero;
  return zero == 0 ? std::string(text) : with_digits_from(zero, text);
}

/// A number behind a mark that follows another is a part of it, as in "1,234".
std::string group_digits(std::string_view text, std::string_view language) {
  const NumberForm& form = form_of(language);
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const size_t length = number_length(text.substr(at));
    const bool part = at > 1 && (text[at - 1] == ',' || text[at - 1] == '.') && is_digit(text[at - 2]);
    if (length == 0 || part) {
      const size_t skipped = std::max<size_t>(length, 1);
      result += text.substr(at, skipped);
      at += skipped;
      continue;
    }
    append_number(text.substr(at, length), form, result);
    at += length;
  }
  return form.zero == 0 ? result : with_digits_from(form.zero, result);
}

std::string ungrouped_digits(std::string_view number, std::string_view language) {
  const NumberForm& form = form_of(language);
  std::string result;
  while (!number.empty()) {
    const Utf8Character first = read_utf8(number);
    const bool native = form.zero != 0 && first.code_point - form.zero < 10;
    if (number.starts_with("−")) {
      result += '-';
    } else if (native) {
      result += static_cast<char>('0' + first.code_point - form.zero);
    } else if (form.decimal != "." && number.starts_with(form.decimal)) {
      result += '.';
    } else if (!number.starts_with(form.group) && first.code_point != ' ' && first.code_point != 0xA0 &&
               first.code_point != 0x202F) {
      result += number.substr(0, first.bytes);
    }
    number.remove_prefix(first.bytes);
  }
  return result;
}

bool is_roman_number(std::string_view text) {
  if (text.empty()) return false;
  for (int i = 0; i < 3 && text.starts_with('m'); ++i) text.remove_prefix(1);
  take_roman_place(text, 'c', 'd', 'm');
  take_roman_place(text, 'x', 'l', 'c');
  take_roman_place(text, 'i', 'v', 'x');
  return text.empty();
}

std::string roman_number(int number) {
  constexpr std::pair<int, std::string_view> kParts[] = {
      {1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"},
      {40, "XL"},  {10, "X"},   {9, "IX"},  {5, "V"},    {4, "IV"},  {1, "I"}};
  std::string text;
  for (const auto& [value, letters] : kParts) {
    for (; number >= value; number -= value) text += letters;
  }
  return text;
}

}  // namespace pretrain::wikitext
