// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/quantities.h"

#include <algorithm>
#include <array>

#include "libs/base/number.h"
#include "libs/wikitext/letter_case.h"
#include "libs/wikitext/number_format.h"
#include "libs/wikitext/parser_functions.h"
#include "libs/wikitext/text_fold.h"
#include "libs/wikitext/units.h"

namespace pretrain::wikitext {
namespace {

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_digit);
}

/// The value of a short run of digits, -1 for anything else.
int small_number(std::string_view text) {
  return all_digits(text) ? parse_number<int>(text).value_or(-1) : -1;
}

bool is_quantity(std::string_view text) {
  return !text.empty() && (is_digit(text.front()) ||
                           (text.size() > 1 && (text[0] == '-' || text[0] == '.') && is_digit(text[1])));
}

// ---- convert

struct Joiner {
  std::string_view written;
  std::string_view shown;
};
constexpr Joiner kJoiners[] = {
    {"*", " × "},      {",", ", "},       {", and", ", and "}, {", or", ", or "},
    {"/", "/"},        {"by(x)", " by "}, {"&", " and "},      {"+", " + "},
    {"+/-", " ± "},    {"-", "–"},        {"and", " and "},    {"and(-)", " and "},
    {"by", " by "},    {"or", " or "},    {"to", " to "},      {"to about", " to about "},
    {"to(-)", " to "}, {"x", " by "},     {"xx", " × "},       {"±", " ± "},
    {"×", " × "},      {"–", "–"},        {"−", "–"},
};

const Joiner* find_joiner(std::string_view word) {
  const auto* joiner = std::ranges::find(kJoiners, word, &Joiner::written);
  return joiner == std::end(kJoiners) ? nullptr : joiner;
}

/// "1+1/2" as "1 1/2", "14000" as "14,000".
std::string quantity_text(std::string_view value, std::string_view language) {
  const size_t plus = value.find('+');
  const bool mixed = plus != std::string_view::npos && plus > 0 && value.find('/') != std::string_view::npos;
  if (!mixed) return group_digits(value, language);
  return concat({value.substr(0, plus), " ", value.substr(plus + 1)});
}

/// 0 to 999 in words: "three hundred and twelve".
std::string small_number_in_words(int number) {
  constexpr std::string_view kSmall[] = {"zero",    "one",     "two",       "three",    "four",
                                         "five",    "six",     "seven",     "eight",    "nine",
                                         "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                         "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
  constexpr std::string_view kTens[] = {"",      "",      "twenty",  "thirty", "forty",
                                        "fifty", "sixty", "seventy", "eighty", "ninety"};
  if (number < 20) return std::string(kSmall[number]);
  const int ones = number % 10;
  if (number < 100) return concat({kTens[number / 10], ones == 0 ? "" : "-", ones == 0 ? "" : kSmall[ones]});
  const int rest = number % 100;
  const std::string hundreds = concat({kSmall[number / 100], " hundred"});
  return rest == 0 ? hundreds : concat({hundreds, " and ", small_number_in_words(rest)});
}

/// A whole number in English words; "" for one that is too large to be written so.
std::string number_in_words(std::string_view value) {
  const int number = value.size() > 6 ? -1 : small_number(value);
  if (number < 1000) return number < 0 ? "" : small_number_in_words(number);
  const int rest = number % 1000;
  const std::string thousands = concat({small_number_in_words(number / 1000), " thousand"});
  if (rest == 0) return thousands;
  return concat({thousands, rest < 100 ? " and " : " ", small_number_in_words(rest)});
}

struct Style {
  std::string_view language;
  bool symbol;
  bool shortened;  ///< a symbol where others would be spelled out
  bool american;
  bool adjective;
  bool in_words;  ///< the number, too
};

Style style_of(const TemplateArguments& arguments, std::string_view language, bool short_form) {
  const std::string_view abbreviation = arguments.named("abbr");
  const bool shortened =
      abbreviation == "on" || abbreviation == "in" || abbreviation == "comma" || abbreviation == "~";
  const bool spelled = abbreviation == "off" || abbreviation == "out" || abbreviation == "none";
  const bool short_unit = shortened || (short_form && !spelled);
  const std::string spell = fold_name(arguments.named("spell"));
  return {.language = language,
          .symbol = language != "en" || short_unit,
          .shortened = short_unit,
          .american = arguments.named("sp") == "us",
          .adjective = arguments.named("adj") == "on" || arguments.named("adj") == "mid",
          .in_words = language == "en" && (spell == "in" || spell == "on")};
}

std::string american(std::string text) {
  for (const std::string_view british : {"metre", "litre"}) {
    const size_t at = text.find(british);
    if (at != std::string::npos) text.replace(at + british.size() - 2, 2, "er");
  }
  return text;
}

/// The power of ten before a unit, as in "e6acre"; 0 when there is none.
int power_of(std::string_view code) {
  const size_t end =
      code.starts_with('e') ? std::min(code.find_first_not_of("0123456789", 1), code.size()) : 0;
  return end < 2 || end == code.size() ? 0 : small_number(code.substr(1, end - 1));
}

/// "million" for 6; "" for a power without a name.
std::string_view power_name(int power) {
  constexpr std::string_view kNames[] = {"thousand", "million", "billion", "trillion"};
  const bool named = power > 0 && power % 3 == 0 && power <= 12;
  return named ? kNames[power / 3 - 1] : "";
}

/// "1/2", but not "1+1/2".
bool is_part_of_one(std::string_view value) {
  return value.find('/') != std::string_view::npos && value.find('+') == std::string_view::npos;
}

std::string unit_text(std::string_view code, std::string_view value, const Style& style);

/// "2 million acres" or "2×10⁶ acre".
std::string unit_with_power(std::string_view code, int power, const Style& style) {
  const std::string_view digits = code.substr(1, code.find_first_not_of("0123456789", 1) - 1);
  const std::string unit = unit_text(code.substr(1 + digits.size()), "2", style);
  const std::string_view name = style.symbol ? "" : power_name(power);
  if (name.empty()) return concat({"×10", raised_text(digits), unit});
  return concat({style.adjective ? "-" : " ", name, unit});
}

/// The unit with the space or hyphen before it.
std::string unit_text(std::string_view code, std::string_view value, const Style& style) {
  const Unit* unit = find_unit(fold_name(code));
  const int power = unit == nullptr ? power_of(code) : 0;
  if (power > 0) return unit_with_power(code, power, style);
  if (unit == nullptr) return concat({" ", code});
  const bool tight = style.symbol && (unit->symbol.starts_with('/') || unit->symbol == "°");
  const std::string_view local = style.shortened ? "" : local_unit(unit->symbol, style.language);
  if (!local.empty()) return std::string(local);
  if (style.symbol) return concat({tight ? "" : " ", unit->symbol});
  const bool one = style.adjective || value == "1" || is_part_of_one(value);
  std::string name(one ? unit->singular : unit->plural);
  if (style.american) name = american(std::move(name));
  if (style.adjective) std::ranges::replace(name, ' ', '-');
  return concat({style.adjective ? "-" : " ", name});
}

/// Reads `value (joiner value)* unit` and `6|ft|3|in` from the positional arguments.
class Quantity {
 public:
  Quantity(const TemplateArguments& arguments, std::string_view language, const Style& style)
      : arguments_(arguments), language_(language), style_(style) {}

  std::string text() {
    std::string result = value();
    while (const Joiner* joiner = find_joiner(arguments_.positional(next_))) {
      result += joiner->shown;
      ++next_;
      result += value();
    }
    result += unit();
    while (has_smaller_unit()) {
      result += ' ';
      result += value();
      result += unit();
    }
    return result;
  }

 private:
  std::string value() {
    last_value_ = arguments_.positional(next_++);
    const std::string words = style_.in_words ? number_in_words(last_value_) : "";
    return words.empty() ? quantity_text(last_value_, language_) : words;
  }
  std::string unit() { return unit_text(last_unit_ = arguments_.positional(next_++), last_value_, style_); }

  /// A number followed by a unit of the same kind continues the quantity; any other number is a precision.
  bool has_smaller_unit() const {
    constexpr std::pair<std::string_view, std::string_view> kPairs[] = {
        {"ft", "in"},    {"foot", "in"}, {"lb", "oz"}, {"mi", "yd"}, {"mi", "ft"},
        {"mi", "chain"}, {"st", "lb"},   {"yd", "ft"}, {"min", "s"}};
    const std::pair pair(last_unit_, arguments_.positional(next_ + 1));
    return is_quantity(arguments_.positional(next_)) && std::ranges::find(kPairs, pair) != std::end(kPairs);
  }

  const TemplateArguments& arguments_;
  std::string_view language_;
  Style style_;
  size_t next_ = 1;
  std::string_view last_value_;
  std::string_view last_unit_;
};

}  // namespace

std::string convert_text(const TemplateArguments& arguments, std::string_view language, bool short_form) {
  if (arguments.positional(1).empty()) return "";  // a note of this name
  if (!is_quantity(ungrouped_digits(arguments.positional(1), language))) return std::string(kNotComputed);
  const Style style = style_of(arguments, language, short_form);
  std::string text = Quantity(arguments, language, style).text();
  const bool middle =
      arguments.named("adj") == "mid" && !is_quantity(arguments.last()) && arguments.count() > 2;
  if (middle && arguments.last().starts_with('-')) text += arguments.last();
  if (arguments.named("spell").starts_with("I") || arguments.named("spell").starts_with("O"))
    text = with_first_capital(text, language);
  return text;
}

namespace {

/// A tolerance, which some pages write with its sign: "+0.3", "-0.1".
std::string_view without_sign(std::string_view number) {
  for (const std::string_view sign : {"+", "-", "−"}) {
    if (number.starts_with(sign)) return number.substr(sign.size());
  }
  return number;
}

/// Whether a number follows the word between two: "5 à 7", "3 × 4".
bool joins_numbers(std::string_view word, std::string_view next) {
  constexpr std::string_view kWords[] = {"à", "et", "ou", "×", "x", "±", "–", "-", "+", "/"};
  return std::ranges::find(kWords, word) != std::end(kWords) && is_quantity(next);
}

/// Units with their powers, from the argument `next` on: `km||h|-1` as "km h⁻¹", `km|s` as "km/s".
std::string french_units(const TemplateArguments& arguments, size_t next) {
  std::string text;
  for (; next <= arguments.count(); next += 2) {
    const std::string_view unit = arguments.positional(next);
    const std::string_view power = arguments.positional(next + 1);
    const std::string raised = raised_text(power);
    if (!unit.empty()) text += concat({" ", unit});
    text += raised.empty() && !power.empty() ? concat({"/", power}) : raised;
  }
  return text;
}

}  // namespace

std::string french_quantity(const TemplateArguments& arguments, std::string_view language) {
  std::string text = group_digits(arguments.positional(1), language);
  size_t next = 2;
  for (; joins_numbers(arguments.positional(next), arguments.positional(next + 1)); next += 2) {
    const std::string_view word = arguments.positional(next);
    const bool tight = word == "-" || word == "–" || word == "/";
    text += tight ? std::string(word == "-" ? "–" : word) : concat({" ", word == "x" ? "×" : word, " "});
    text += group_digits(arguments.positional(next + 1), language);
  }
  for (const std::string_view word : {"à", "et", "ou"}) {
    if (!arguments.named(word).empty())
      text += concat({" ", word, " ", group_digits(arguments.named(word), language)});
  }
  const std::string power = raised_text(arguments.named("e"));
  if (!power.empty()) text += concat({text.empty() ? "10" : "×10", power});
  return text + french_units(arguments, next);
}

std::string value_text(const TemplateArguments& arguments, std::string_view language) {
  std::string text = concat({arguments.named("p"), group_digits(arguments.positional(1), language)});
  if (!arguments.positional(3).empty()) {
    text += concat({"+", without_sign(arguments.positional(2)), "−", without_sign(arguments.positional(3))});
  } else if (!arguments.positional(2).empty()) {
    text += concat({"±", arguments.positional(2)});
  }
  const std::string_view power = arguments.named("e");
  if (!power.empty()) text += concat({text.empty() ? "10" : "×10", raised_text(power)});
  for (const std::string_view name : {"ul", "u"}) {
    if (!arguments.named(name).empty()) return concat({text, " ", arguments.named(name)});
  }
  return text;
}

std::string fraction_text(const TemplateArguments& arguments) {
  const std::string_view first = arguments.positional(1);
  const std::string_view second = arguments.positional(2);
  const std::string_view third = arguments.positional(3);
  if (!third.empty()) return concat({first, " ", second, "/", third});
  return second.empty() ? concat({"1/", first}) : concat({first, "/", second});
}

std::string ordinal_text(std::string_view number, std::string_view language) {
  constexpr std::string_view kWithStops = " bg cs da de et fi hr hu is lv nb nn no pl sk sl sr tr ";
  constexpr std::string_view kRomance = " it pt gl ";
  const std::string code = concat({" ", language, " "});
  if (number.empty() || !is_digit(number.back())) return std::string(number);
  if (kWithStops.find(code) != std::string_view::npos) return concat({number, "."});
  if (kRomance.find(code) != std::string_view::npos) return concat({number, "º"});
  if (language == "es") return concat({number, ".º"});
  if (language == "fr") return concat({number, number == "1" ? "er" : "e"});
  if (language == "nl") return concat({number, "e"});
  if (language != "en" && !language.empty()) return std::string(number);
  const bool teen = number.size() > 1 && number[number.size() - 2] == '1';
  constexpr std::array<std::string_view, 4> kEndings = {"th", "st", "nd", "rd"};
  const int last = number.back() - '0';
  return concat({number, teen || last > 3 ? kEndings[0] : kEndings[static_cast<size_t>(last)]});
}

std::string raised_text(std::string_view text) {
  constexpr std::string_view kDigits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string result;
  for (size_t at = 0; at < text.size(); ++at) {
    const bool minus = text.substr(at).starts_with("−") || text.substr(at).starts_with("–");
    if (is_digit(text[at])) {
      result += kDigits[text[at] - '0'];
    } else if (text[at] == '+') {
      result += "⁺";
    } else if (text[at] == '-' || minus) {
      result += "⁻";
    } else {
      return "";
    }
    if (minus) at += 2;
  }
  return result;
}

}  // namespace pretrain::wikitext
