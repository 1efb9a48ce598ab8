// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/parser_functions.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "libs/base/number.h"
#include "libs/base/utf8.h"
#include "libs/wikitext/expression.h"
#include "libs/wikitext/letter_case.h"
#include "libs/wikitext/number_format.h"
#include "libs/wikitext/text_fold.h"
#include "libs/wikitext/timestamps.h"

namespace pretrain::wikitext {
namespace {

constexpr size_t npos = std::string_view::npos;
using Text = std::optional<std::string>;

std::string_view argument(const TemplateCall& call, size_t index) {
  return call.arguments.positional(index);
}

Text chosen(const TemplateCall& call, size_t index) {
  return std::string(argument(call, index));
}

/// As PHP compares: numbers by their value, anything else as text.
bool are_equal(std::string_view left, std::string_view right) {
  if (left == right) return true;
  const auto number = [](std::string_view text) {
    if (text.starts_with('+')) text.remove_prefix(1);
    const bool numeric = !text.empty() && text.find_first_not_of("0123456789.eE+-") == npos;
    return numeric ? parse_number<double>(text) : std::nullopt;
  };
  const auto first = number(left);
  const auto second = number(right);
  return first && second && *first == *second;
}

Text if_text(const TemplateCall& call) {
  return chosen(call, argument(call, 1).empty() ? 3 : 2);
}

Text if_equal_text(const TemplateCall& call) {
  return chosen(call, are_equal(argument(call, 1), argument(call, 2)) ? 3 : 4);
}

/// Without a text for success, the tested text itself.
Text if_error_text(const TemplateCall& call) {
  if (call.failed) return chosen(call, 2);
  return chosen(call, call.arguments.count() > 2 ? 3 : 1);
}

Text expression_text(const TemplateCall& call) {
  if (argument(call, 1).empty()) return "";
  const auto value = expression_value(argument(call, 1));
  return value ? Text(number_text(*value)) : std::nullopt;
}

Text if_expression_text(const TemplateCall& call) {
  if (argument(call, 1).empty()) return chosen(call, 3);
  const auto value = expression_value(argument(call, 1));
  return value ? chosen(call, *value != 0 ? 2 : 3) : std::nullopt;
}

/// A case without `=` shares the text of the next one that has it; the last one without is for any other value.
/// Source: MediaWiki, extension ParserFunctions, switch.
Text switch_text(const TemplateCall& call) {
  // #default has other names on other wikis.
  const auto names_default = [](std::string_view name) {
    return name.size() > 1 && name[0] == '#' && !is_digit(name[1]);
  };
  const std::string_view value = argument(call, 1);
  bool found = false;
  bool is_default = false;
  bool last_is_bare = false;
  std::string_view otherwise;
  for (size_t i = 2; i <= call.arguments.count(); ++i) {
    const std::string_view written = argument(call, i);
    const size_t equals = written.find('=');
    last_is_bare = equals == npos;
    const std::string_view name = trim(written.substr(0, equals));
    if (last_is_bare) {
      found = found || are_equal(name, value);
      is_default = is_default || names_default(name);
      continue;
    }
    const std::string_view text = trim(written.substr(equals + 1));
    if (found || are_equal(name, value)) return std::string(text);
    if (is_default || names_default(name)) otherwise = text;
    is_default = false;
  }
  return std::string(last_is_bare && !is_default ? argument(call, call.arguments.count()) : otherwise);
}

/// The number of characters.
size_t length_of(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return !continues_utf8(c); }));
}

/// The start of `text`, `count` characters long.
std::string_view first_characters(std::string_view text, size_t count) {
  size_t end = 0;
  while (end < text.size() && (count > 0 || continues_utf8(text[end]))) {
    if (!continues_utf8(text[end])) --count;
    ++end;
    while (end < text.size() && continues_utf8(text[end])) ++end;
  }
  return text.substr(0, end);
}

/// What fills a text up to a length, at most 500 characters as in MediaWiki.
std::string padding(const TemplateCall& call) {
  constexpr size_t kMost = 500;
  const size_t wanted = std::min(parse_number<size_t>(argument(call, 2)).value_or(0), kMost);
  const size_t length = length_of(argument(call, 1));
  const std::string_view mark = call.arguments.count() > 2 ? argument(call, 3) : "0";
  if (mark.empty() || wanted <= length) return "";
  const size_t missing = wanted - length;
  const size_t mark_length = std::max<size_t>(length_of(mark), 1);
  std::string result;
  for (size_t i = 0; i < missing / mark_length; ++i) result += mark;
  result += first_characters(mark, missing % mark_length);
  return result;
}

/// `|R` takes the digits of a text out of their groups.
Text number_in_words_of_the_wiki(const TemplateCall& call) {
  const std::string form = fold_name(argument(call, 2));
  const std::string_view number = argument(call, 1);
  if (form == "r") return ungrouped_digits(number, call.language);
  if (form == "nosep" || form == "nocommafysuffix") return native_digits(number, call.language);
  return group_digits(number, call.language);
}

bool is_one_of(std::string_view language, std::string_view list) {
  const std::string word = concat({" ", language, " "});
  return !language.empty() && list.find(word) != npos;
}

/// The place of the form for `n` among those of a language, from 0.
/// Source: Unicode CLDR, plural rules; MediaWiki takes the last form that there is for one beyond them.
size_t plural_form(int64_t n, std::string_view language) {
  const int64_t last = n % 10;
  const int64_t two = n % 100;
  const auto within = [](int64_t value, int64_t low, int64_t high) { return value >= low && value <= high; };
  if (is_one_of(language, " ja zh ko vi th id ms lo my ka ")) return 0;
  if (is_one_of(language, " fr pt hi bn fa hy am gu kn zu ")) return n <= 1 ? 0 : 1;
  if (is_one_of(language, " ru uk be sr hr bs sh ")) {
    if (last == 1 && two != 11) return 0;
    return within(last, 2, 4) && !within(two, 12, 14) ? 1 : 2;
  }
  if (language == "pl") {
    if (n == 1) return 0;
    return within(last, 2, 4) && !within(two, 12, 14) ? 1 : 2;
  }
  if (language == "cs" || language == "sk") return n == 1 ? 0 : within(n, 2, 4) ? 1 : 2;
  if (language == "lt")
    return last == 1 && !within(two, 11, 19) ? 0 : last >= 2 && !within(two, 11, 19) ? 1 : 2;
  if (language == "sl") return two == 1 ? 0 : two == 2 ? 1 : within(two, 3, 4) ? 2 : 3;
  if (language == "ro") return n == 1 ? 0 : n == 0 || within(two, 1, 19) ? 1 : 2;
  if (language == "ar") {
    if (n <= 2) return static_cast<size_t>(n);
    return within(two, 3, 10) ? 3 : two >= 11 ? 4 : 5;
  }
  return n == 1 ? 0 : 1;
}

Text plural_text(const TemplateCall& call) {
  std::string digits = ungrouped_digits(argument(call, 1), call.language);
  if (digits.starts_with('-')) digits.erase(0, 1);
  const auto number = parse_number<double>(digits);
  if (!number || call.arguments.count() < 2) return std::nullopt;
  std::vector<std::string_view> forms;
  for (size_t i = 2; i <= call.arguments.count(); ++i) {
    const std::string_view form = argument(call, i);
    const size_t equals = form.find('=');
    const bool exact = equals != npos && form.substr(0, equals).find_first_not_of("0123456789") == npos;
    if (!exact) {
      forms.push_back(form);
    } else if (form.substr(0, equals) == digits) {
      return std::string(trim(form.substr(equals + 1)));
    }
  }
  if (forms.empty()) return "";
  const auto whole = parse_number<int64_t>(digits);
  const size_t form = whole ? plural_form(*whole, call.language) : forms.size() - 1;
  return std::string(forms[std::min(form, forms.size() - 1)]);
}

Text time_text(const TemplateCall& call) {
  const std::string_view language = argument(call, 3).empty() ? call.language : argument(call, 3);
  const Text time = formatted_time(argument(call, 1), argument(call, 2), language);
  return time ? Text(native_digits(*time, language)) : std::nullopt;
}

struct ParserFunction {
  std::string_view name;
  Text (*text)(const TemplateCall& call);
};
constexpr ParserFunction kFunctions[] = {
    {"expr", expression_text},
    {"formatnum", number_in_words_of_the_wiki},
    {"if", if_text},
    {"ifeq", if_equal_text},
    {"iferror", if_error_text},
    {"ifexpr", if_expression_text},
    {"lc", [](const TemplateCall& call) -> Text { return in_small_letters(argument(call, 1)); }},
    {"lcfirst",
     [](const TemplateCall& call) -> Text { return with_first_small(argument(call, 1), call.language); }},
    {"padleft",
     [](const TemplateCall& call) -> Text {
       return concat({padding(call), argument(call, 1)});
     }},
    {"padright",
     [](const TemplateCall& call) -> Text {
       return concat({argument(call, 1), padding(call)});
     }},
    {"plural", plural_text},
    {"switch", switch_text},
    {"time", time_text},
    {"uc", [](const TemplateCall& call) -> Text { return in_capitals(argument(call, 1)); }},
    {"ucfirst",
     [](const TemplateCall& call) -> Text { return with_first_capital(argument(call, 1), call.language); }},
};

}  // namespace

std::string parser_function_text(const TemplateCall& call, std::string_view function) {
  const auto* found = std::ranges::find(kFunctions, function, &ParserFunction::name);
  const bool unknown = call.lost && argument(call, 1).empty() && function != "iferror";
  const Text text = found == std::end(kFunctions) || unknown ? std::nullopt : found->text(call);
  return text ? *text : std::string(kNotComputed);
}

}  // namespace pretrain::wikitext
