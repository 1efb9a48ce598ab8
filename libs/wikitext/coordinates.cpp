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

/// How a wiki writes a place: the four directions, where they stand, and what stands between the parts.
struct Form {
  std::string_view language;
  std::string_view north, south, east, west;
  bool direction_first = false;
  std::string_view gap;     // between numbers and direction
  std::string_view step;    // between two numbers
  std::string_view joiner;  // between latitude and longitude
  std::array<std::string_view, 3> marks = {"°", "′", "″"};

  std::string_view direction(char letter) const {
    return letter == 'N' ? north : letter == 'S' ? south : letter == 'W' ? west : letter == 'O' ? "O" : east;
  }
};

// Wikis that are not here show Latin letters, which readers of all of them know.
constexpr Form kForms[] = {
    {"", "N", "S", "E", "W", false, "", "", " "},
    {"cs", "s. š.", "j. š.", "v. d.", "z. d.", false, " ", "", ", "},
    {"da", "N", "S", "Ø", "V", false, "", "", " "},
    {"fr", "N", "S", "E", "O", false, " ", " ", ", "},
    {"hu", "é. sz.", "d. sz.", "k. h.", "ny. h.", true, " ", " ", ", "},
    {"ja", "北緯", "南緯", "東経", "西経", true, "", "", " ", {"度", "分", "秒"}},
    {"ko", "북위", "남위", "동경", "서경", true, " ", " ", " "},
    {"no", "N", "S", "Ø", "V", false, "", "", " "},
    {"ru", "с. ш.", "ю. ш.", "в. д.", "з. д.", false, " ", "", " "},
    {"sv", "N", "S", "Ö", "V", false, "", "", " "},
    {"tr", "K", "G", "D", "B", false, "", "", " "},
    {"uk", "пн. ш.", "пд. ш.", "сх. д.", "зх. д.", false, " ", "", " "},
    {"vi", "B", "N", "Đ", "T", false, "", "", " "},
};

const Form& form_of(std::string_view language) {
  const auto* found = std::ranges::find(kForms, language, &Form::language);
  return found == std::end(kForms) ? kForms[0] : *found;
}

/// Reads the two halves of a call.
class Coordinates {
 public:
  explicit Coordinates(const TemplateCall& call)
      : arguments_(call.arguments), form_(form_of(call.language)) {}

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
    return concat({latitude, form_.joiner, longitude});
  }

  std::string signed_half(size_t index, char positive, char negative) const {
    std::string_view number = arguments_.positional(index);
    const size_t sign = number.find_first_of("0123456789.");
    number.remove_prefix(sign);
    return directed(concat({number, form_.marks[0]}), sign > 0 ? negative : positive);
  }

  std::string directed(std::string_view numbers, char letter) const {
    const std::string_view direction = form_.direction(letter);
    return form_.direction_first ? concat({direction, form_.gap, numbers})
                                 : concat({numbers, form_.gap, direction});
  }

  /// One to three numbers and a direction.
  std::string half(std::string_view letters) {
    std::string result;
    for (const std::string_view mark : form_.marks) {
      const std::string_view number = arguments_.positional(next_);
      if (!is_decimal(number, false)) break;
      if (!result.empty()) result += form_.step;
      result += concat({number, mark});
      ++next_;
    }
    const std::string_view direction = arguments_.positional(next_++);
    if (result.empty() || !is_direction(direction, letters)) return "";
    return directed(result, direction[0]);
  }

  const TemplateArguments& arguments_;
  const Form& form_;
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
