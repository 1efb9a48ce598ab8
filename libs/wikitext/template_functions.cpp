// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/template_functions.h"

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include "libs/base/number.h"
#include "libs/wikitext/biography.h"
#include "libs/wikitext/coordinates.h"
#include "libs/wikitext/language_labels.h"
#include "libs/wikitext/letter_case.h"
#include "libs/wikitext/math_text.h"
#include "libs/wikitext/number_format.h"
#include "libs/wikitext/parser_functions.h"
#include "libs/wikitext/quantities.h"
#include "libs/wikitext/site_names.h"
#include "libs/wikitext/text_fold.h"
#include "libs/wikitext/written_dates.h"

namespace pretrain::wikitext {
namespace {

using Takes = TemplateFunction::Takes;

bool is_set(std::string_view value) {
  return value == "y" || value == "yes" || value == "on" || value == "1" || value == "true";
}

std::string as_of_text(const TemplateCall& call, std::string_view /*operand*/) {
  const TemplateArguments& arguments = call.arguments;
  if (!arguments.named("alt").empty()) return std::string(arguments.named("alt"));
  const bool american = fold_name(arguments.named("df")) == "us";
  const std::string date = date_text(arguments, call.language, !american);
  if (call.language != "en" || date.empty()) return date;
  const bool since = is_set(arguments.named("since"));
  const bool small = is_set(arguments.named("lc"));
  const std::string_view start = since ? (small ? "since " : "Since ") : (small ? "as of " : "As of ");
  return concat({start, date});
}

std::string height_text(const TemplateCall& call, std::string_view /*operand*/) {
  std::string result;
  for (const std::string_view unit : {"ft", "in", "m", "cm"}) {
    const std::string_view value = call.arguments.named(unit);
    if (value.empty()) continue;
    if (!result.empty()) result += ' ';
    result += concat({value, " ", unit});
  }
  return result;
}

/// Prefix, name and identification; a digit as the last argument selects some of them. Without a prefix, it is
/// the first argument.
std::string ship_text(const TemplateCall& call, std::string_view prefix) {
  const TemplateArguments& arguments = call.arguments;
  const size_t first = prefix.empty() ? 2 : 1;
  if (prefix.empty()) prefix = arguments.positional(1);
  const std::string name(arguments.positional(first));
  if (name.empty()) return "";  // a note has the same name as some prefix
  const std::string id(arguments.positional(first + 1));
  const std::string_view form = arguments.positional(first + 2);
  const std::string full = prefix.empty() ? name : concat({prefix, " ", name});
  if (form == "1") return id;
  if (form == "5" || form == "6") return name;
  if (form == "2" || id.empty()) return full;
  return concat({form == "3" ? name : full, " (", id, ")"});
}

/// "de" of "lang-de", "" of "langx".
std::string_view code_in_name(std::string_view name) {
  const size_t hyphen = name.find_first_of("- ");
  return hyphen == std::string_view::npos || name.ends_with("-x") ? "" : name.substr(hyphen + 1);
}

/// Whether a word begins with a letter up to U+024F or one of U+1E00 to U+1EFF.
bool is_latin(std::string_view word) {
  const size_t at = word.find_first_not_of(" '\"([-");
  if (at == std::string_view::npos) return true;
  const std::string_view letter = word.substr(at, 2);
  return static_cast<unsigned char>(letter[0]) < 0xCA || (letter >= "\xE1\xB8" && letter <= "\xE1\xBB");
}

/// The first of some arguments that is not empty: named ones, then a positional one.
std::string_view first_of(const TemplateArguments& arguments, std::initializer_list<std::string_view> names,
                          size_t position) {
  for (const std::string_view name : names) {
    if (!arguments.named(name).empty()) return arguments.named(name);
  }
  return arguments.positional(position);
}

std::string language_text(const TemplateCall& call, std::string_view /*operand*/) {
  std::string_view code = code_in_name(call.name);
  const size_t first = code.empty() ? 2 : 1;
  if (code.empty()) code = call.arguments.positional(1);
  std::string text(call.arguments.positional(first));
  if (call.language != "en" || text.empty()) return text;
  const std::string_view label = call.arguments.named("label");
  const std::string_view name = label != "none" ? language_label(fold_name(code)) : "";
  const size_t next = is_latin(text) ? first : first + 1;  // Latin letters need no transcription
  if (!name.empty()) text.insert(0, concat({name, ": "}));
  const std::string_view letters =
      first_of(call.arguments, {"translit", "tr", "r"}, next == first ? 0 : next);
  if (!letters.empty()) text += concat({name.empty() ? ", " : ", romanized: ", letters});
  const std::string_view meaning = first_of(call.arguments, {"lit", "translation"}, next + 1);
  if (!meaning.empty()) text += concat({", lit. '", meaning, "'"});
  return text;
}

/// The English {{zh|c=|s=|t=|p=|l=}}: Chinese in its scripts and transcriptions, with their labels or without.
std::string chinese_text(const TemplateCall& call, std::string_view /*operand*/) {
  constexpr std::pair<std::string_view, std::string_view> kItems[] = {
      {"c", "Chinese: "},
      {"s", "simplified Chinese: "},
      {"t", "traditional Chinese: "},
      {"p", "pinyin: "},
      {"hp", "pinyin: "},
      {"w", "Wade–Giles: "},
      {"j", "Jyutping: "},
      {"cy", "Cantonese Yale: "},
      {"y", "Cantonese Yale: "},
      {"poj", "Pe̍h-ōe-jī: "},
  };
  const std::string_view labels = call.arguments.named("labels");
  const bool labelled = labels != "no" && labels != "none";
  const std::string_view simplified = call.arguments.named("s");
  const bool traditional_first = call.arguments.named("first").find('t') != std::string_view::npos;
  std::vector<std::string> items;
  for (const auto& [key, label] : kItems) {
    const std::string_view text = key == "c" ? first_of(call.arguments, {"c"}, 1) : call.arguments.named(key);
    if (text.empty() || (key == "t" && text == simplified)) continue;
    const bool both = key == "s" && text == call.arguments.named("t");
    items.push_back(concat({!labelled ? "" : both ? "Chinese: " : label, text}));
    if (key == "t" && traditional_first && items.size() > 1) std::swap(items.back(), items[items.size() - 2]);
  }
  const std::string_view meaning = call.arguments.named("l");
  if (!meaning.empty()) items.push_back(concat({"lit. '", meaning, "'"}));
  std::string joined;
  for (const std::string& item : items) joined += concat({joined.empty() ? "" : "; ", item});
  return joined;
}

/// {{#language:fr}} as "français", {{#language:fr|en}} as "French".
std::string language_name(const TemplateCall& call, std::string_view /*operand*/) {
  const std::string code = fold_name(call.arguments.positional(1));
  const std::string_view in = call.arguments.positional(2);
  const std::string_view name = in.empty() || in == code ? own_language_name(code)
                                : in == "en"             ? language_label(code)
                                                         : "";
  return std::string(name.empty() ? kNotComputed : name);
}

/// A name of a country; what only a table of codes could name, such as "KEN", is not computed.
std::string country_name(const TemplateCall& /*call*/, std::string_view name) {
  constexpr size_t kLongestCode = 3;
  const bool code =
      name.size() <= kLongestCode && std::ranges::all_of(name, [](char c) { return c >= 'A' && c <= 'Z'; });
  return std::string(!name.empty() && code ? kNotComputed : name);
}

std::string formula_text(const TemplateCall& /*call*/, std::string_view tex) {
  std::string text;
  return tex.empty() || append_formula(tex, text) ? text : std::string(kNotComputed);
}

/// A number of three or more digits is a year, whose century is shown.
std::string century_text(const TemplateCall& call, std::string_view number) {
  std::string century(number);
  const auto year = parse_number<int>(number);
  if (number.size() > 2 && year && *year > 0) century = std::to_string((*year - 1) / 100 + 1);
  return call.language == "en" ? concat({ordinal_text(century, "en"), " century"}) : century;
}

/// 14 as XIV; what is no small number stays.
std::string roman_text(const TemplateCall& /*call*/, std::string_view number) {
  constexpr int kLargest = 3999;
  const int value = parse_number<int>(number).value_or(0);
  return value > 0 && value <= kLargest ? roman_number(value) : std::string(number);
}

/// Small capitals of small letters look like capitals, which matters for numbers and eras.
std::string small_capitals(const TemplateCall& call, std::string_view text) {
  constexpr std::string_view kEras[] = {"ad", "bc", "bce", "ce"};
  const bool is_era = call.language == "en" && std::ranges::find(kEras, text) != std::end(kEras);
  return is_era || is_roman_number(text) ? in_capitals(text) : std::string(text);
}

std::string raised_or_plain(const TemplateCall& /*call*/, std::string_view text) {
  std::string raised = raised_text(text);
  return raised.empty() ? std::string(text) : raised;
}

/// Whether a bracket is open at the end of `text`; only its last bytes count, so that a call costs little.
bool is_in_brackets(std::string_view text) {
  constexpr size_t kReach = 400;
  text.remove_prefix(text.size() - std::min(text.size(), kReach));
  const size_t bracket = text.find_last_of("()");
  return bracket != std::string_view::npos && text[bracket] == '(';
}

/// Sounds in slashes or square brackets are what a sentence is about; in round brackets they say how to pronounce.
std::string sound_text(const TemplateCall& call, std::string_view /*operand*/) {
  const std::string_view sound = call.arguments.last();
  const bool marked = sound.starts_with('/') || sound.starts_with('[') || sound.starts_with("⟨");
  return marked && !is_in_brackets(call.before) ? std::string(sound) : "";
}

/// A number of a century or the like in French, with the ending that follows it in the call or, without one, its
/// own: Ier, IIe. `operand` is the place of the number.
std::string french_rank(const TemplateCall& call, std::string_view operand) {
  const size_t place = parse_number<size_t>(operand).value_or(1);
  const std::string_view number = call.arguments.positional(place);
  if (number.empty()) return "";
  const std::string_view ending = call.arguments.positional(place + 1);
  const bool first = number == "1" || number == "I" || number == "i";
  return concat({small_capitals(call, number), !ending.empty() ? ending : first ? "er" : "e"});
}

/// Numbers with or without their endings in the call: XVIe et XVIIe.
std::string french_ranks(const TemplateCall& call, std::string_view /*operand*/) {
  const auto is_number = [](std::string_view text) {
    return !text.empty() && (std::ranges::all_of(text, is_digit) || is_roman_number(fold_name(text)));
  };
  std::string ranks;
  for (size_t i = 1; i <= call.arguments.count(); ++i) {
    const std::string_view number = call.arguments.positional(i);
    if (!is_number(number)) continue;
    if (!ranks.empty()) ranks += " et ";
    const std::string_view next = call.arguments.positional(i + 1);
    const bool first = number == "1" || number == "I" || number == "i";
    ranks += concat({small_capitals(call, number), !next.empty() && !is_number(next) ? next
                                                   : first                           ? "er"
                                                                                     : "e"});
  }
  return ranks;
}

/// "Juventus" of "Calcio Juventus".
std::string without_first_word(const TemplateCall& /*call*/, std::string_view text) {
  return std::string(trim(text.substr(std::min(text.find(' '), text.size()))));
}

/// The code of another wiki, as in {{ill|en|Name}} and {{ill|Name|en}}, whose place differs between wikis.
bool is_wiki_code(std::string_view text) {
  const bool small =
      text.size() <= 3 && std::ranges::all_of(text, [](char c) { return c >= 'a' && c <= 'z'; });
  return small && site_names().is_code(text);
}

/// The label of a link to another wiki: a named one, or the first argument that is no code of a wiki.
std::string link_label(const TemplateCall& call, std::string_view /*operand*/) {
  for (const std::string_view name : {"lt", "texto", "text", "label", "display"}) {
    if (!call.arguments.named(name).empty()) return std::string(call.arguments.named(name));
  }
  for (size_t i = 1; i <= call.arguments.count(); ++i) {
    const std::string_view text = call.arguments.positional(i);
    if (!text.empty() && !is_wiki_code(text)) return std::string(text);
  }
  return "";
}

/// MediaWiki takes the word for the title in capitals only.
std::string page_name(const TemplateCall& call, std::string_view /*operand*/) {
  const bool capitals = std::ranges::none_of(call.name, [](char c) { return c >= 'a' && c <= 'z'; });
  return capitals ? std::string(call.title) : "";
}

constexpr TemplateFunction kFunctions[] = {
    {"as_of", Takes::kCall, as_of_text},
    {"biography", Takes::kCall,
     [](const TemplateCall& call, std::string_view) { return italian_biography(call.arguments); }},
    {"capital", Takes::kValue,
     [](const TemplateCall& call, std::string_view value) {
       return with_first_capital(value, call.language);
     }},
    {"century", Takes::kValue, century_text},
    {"chinese", Takes::kCall, chinese_text},
    {"convert", Takes::kCall,
     [](const TemplateCall& call, std::string_view) {
       return convert_text(call.arguments, call.language, false);
     }},
    {"coordinates", Takes::kCall,
     [](const TemplateCall& call, std::string_view) { return coordinates_text(call); }},
    {"country", Takes::kValue, country_name},
    {"date", Takes::kCall,
     [](const TemplateCall& call, std::string_view) {
       return date_text(call.arguments, call.language, is_set(call.arguments.named("df")));
     }},
    {"formula", Takes::kValue, formula_text},
    {"fraction", Takes::kCall,
     [](const TemplateCall& call, std::string_view) { return fraction_text(call.arguments); }},
    {"french_quantity", Takes::kCall,
     [](const TemplateCall& call, std::string_view) {
       return french_quantity(call.arguments, call.language);
     }},
    {"french_rank", Takes::kText, french_rank},
    {"french_ranks", Takes::kCall, french_ranks},
    {"german_coordinates", Takes::kCall,
     [](const TemplateCall& call, std::string_view) { return german_coordinates_text(call); }},
    {"height", Takes::kCall, height_text},
    {"language_name", Takes::kCall, language_name},
    {"language_text", Takes::kCall, language_text},
    {"link_label", Takes::kCall, link_label},
    {"lower", Takes::kValue,
     [](const TemplateCall&, std::string_view value) { return in_small_letters(value); }},
    {"lower_first", Takes::kValue,
     [](const TemplateCall& call, std::string_view value) { return with_first_small(value, call.language); }},
    {"month", Takes::kValue,
     [](const TemplateCall& call, std::string_view value) { return month_name(value, call.language); }},
    {"number", Takes::kValue,
     [](const TemplateCall& call, std::string_view value) { return group_digits(value, call.language); }},
    {"ordinal", Takes::kValue,
     [](const TemplateCall& call, std::string_view value) { return ordinal_text(value, call.language); }},
    {"page_name", Takes::kCall, page_name},
    {"parser_function", Takes::kText, parser_function_text},
    {"raise", Takes::kValue, raised_or_plain},
    {"roman", Takes::kValue, roman_text},
    {"ship", Takes::kText, ship_text},
    {"short_convert", Takes::kCall,
     [](const TemplateCall& call, std::string_view) {
       return convert_text(call.arguments, call.language, true);
     }},
    {"small_capitals", Takes::kValue, small_capitals},
    {"sound", Takes::kCall, sound_text},
    {"title", Takes::kCall,
     [](const TemplateCall& call, std::string_view) { return std::string(call.title); }},
    {"upper", Takes::kValue, [](const TemplateCall&, std::string_view value) { return in_capitals(value); }},
    {"value", Takes::kCall,
     [](const TemplateCall& call, std::string_view) { return value_text(call.arguments, call.language); }},
    {"without_first_word", Takes::kValue, without_first_word},
};

}  // namespace

const TemplateFunction* find_template_function(std::string_view name) {
  const auto* found = std::ranges::find(kFunctions, name, &TemplateFunction::name);
  return found == std::end(kFunctions) ? nullptr : found;
}

std::string template_function_names() {
  std::string names;
  for (const TemplateFunction& function : kFunctions) {
    if (!names.empty()) names += ", ";
    names += function.name;
  }
  return names;
}

}  // namespace pretrain::wikitext
