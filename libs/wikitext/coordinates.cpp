// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/coordinates.h"

#include <algorithm>
#include <array>

#include "libs/wikitext/punctuation.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

/// Digits with at most one point, and a sign where `is_signed`.
bool is_decimal(std::string_view text, bool is_signed) {
  if (is_signed && text.starts_with("−")) text.remove_prefix(std::string_view("−").size());
  if (is_signed && text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && std::ranges::count(text, '.') <= 1 && is_digit(text.back()) &&
         std::ranges::all_of(text, [](char c) { return is_digit(c) || c == '.'; });
}

bool is_direction(std::string_view text, std::string_view letters) {
  return text.size() == 1 && letters.find(text.front()) != std::string_view::npos;
}

/// Reads the two halves of a call.
class Coordinates {
 public:
  explicit Coordinates(const TemplateCall& call)
      : arguments_(call.arguments), french_(call.language == "fr") {}

  std::string text() {
    if (is_decimal(arguments_.positional(1), true) && is_decimal(arguments_.positional(2), true) &&
        !is_decimal(arguments_.positional(3), false) && !is_direction(arguments_.positional(3), "NS"))
      return joined(signed_half(1, 'N', 'S'), signed_half(2, 'E', 'W'));
    const std::string latitude = half("NS");
    return joined(latitude, half("EWO"));
  }

 private:
  std::string joined(const std::string& latitude, const std::string& longitude) const {
    if (latitude.empty() || longitude.empty()) return "";
    return concat({latitude, french_ ? ", " : " ", longitude});
  }

  std::string signed_half(size_t index, char positive, char negative) const {
    std::string_view number = arguments_.positional(index);
    const size_t sign = number.find_first_of("0123456789.");
    number.remove_prefix(sign);
    const char direction = sign > 0 ? negative : positive;
    return concat({number, "°", french_ ? " " : "", std::string_view(&direction, 1)});
  }

  /// One to three numbers and a direction.
  std::string half(std::string_view letters) {
    constexpr std::array<std::string_view, 3> kMarks = {"°", "′", "″"};
    std::string result;
    for (const std::string_view mark : kMarks) {
      const std::string_view number = arguments_.positional(next_);
      if (!is_decimal(number, false)) break;
      if (french_ && !result.empty()) result += ' ';
      result += concat({number, mark});
      ++next_;
    }
    const std::string_view direction = arguments_.positional(next_++);
    if (result.empty() || !is_direction(direction, letters)) return "";
    return concat({result, french_ ? " " : "", direction});
  }

  const TemplateArguments& arguments_;
  bool french_;
  size_t next_ = 1;
};

/// "52° 31′ 0″ N" of "52/31/00/N"; "" for other text.
std::string german_half(std::string_view stated, std::string_view letters) {
  constexpr std::array<std::string_view, 3> kMarks = {"° ", "′ ", "″ "};
  const size_t last = stated.rfind('/');
  if (last == std::string_view::npos || !is_direction(stated.substr(last + 1), letters)) return "";
  std::string result;
  std::string_view numbers = stated.substr(0, last);
  for (const std::string_view mark : kMarks) {
    if (numbers.empty()) break;
    const size_t end = std::min(numbers.find('/'), numbers.size());
    std::string_view number = numbers.substr(0, end);
    if (!is_decimal(number, false)) return "";
    while (number.size() > 1 && number[0] == '0' && is_digit(number[1])) number.remove_prefix(1);
    std::string with_comma(number);
    std::ranges::replace(with_comma, '.', ',');
    result += concat({with_comma, mark});
    numbers.remove_prefix(std::min(end + 1, numbers.size()));
  }
  const char direction = stated.back() == 'E' ? 'O' : stated.back();
  return numbers.empty() ? concat({result, std::string_view(&direction, 1)}) : "";
}

}  // namespace

std::string german_coordinates_text(const TemplateCall& call) {
  const std::string_view form = call.arguments.named("text");
  if (form.empty() || !has_words(call.before) || form.starts_with("ICON")) return "";
  if (form == "DMS" || form == "DM") {
    const std::string latitude = german_half(call.arguments.named("NS"), "NS");
    const std::string longitude = german_half(call.arguments.named("EW"), "EW");
    const bool seconds = latitude.find("″") != std::string::npos || longitude.find("″") != std::string::npos;
    const bool stated = !latitude.empty() && !longitude.empty() && (form == "DMS" || !seconds);
    return stated ? concat({latitude, ", ", longitude}) : "";
  }
  return form == "DEC" || form == "/" ? "" : std::string(form);
}

std::string coordinates_text(const TemplateCall& call) {
  const std::string display = fold_name(call.arguments.named("display"));
  const bool title_only =
      !display.empty() && !display.starts_with('i') && display.find("inline") == std::string::npos;
  if (title_only || !has_words(call.before)) return "";
  return Coordinates(call).text();
}

}  // namespace pretrain::wikitext
