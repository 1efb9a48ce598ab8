// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/written_dates.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "libs/base/number.h"
#include "libs/wikitext/date_names.h"
#include "libs/wikitext/number_format.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

constexpr std::string_view kMonths[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};

/// How the languages write a date: %d is the day, %F the month after a day, %M the month alone, %n its number, %Y the year.
struct DateForm {
  std::string_view languages;
  std::string_view day_month_year;
  std::string_view month_year;
};
constexpr DateForm kForms[] = {
    {" cs da de dsb et hsb lb nb nn no sk sl ", "%d. %F %Y", "%M %Y"},
    {" bs hr sr sh ", "%d. %F %Y.", "%M %Y."},
    {" ast es gl pt ", "%d de %F de %Y", "%M de %Y"},
    {" ca ", "%d %F de %Y", "%M de %Y"},
    {" eu lt lv eo ka mn ", "", ""},  // their endings differ
    {" hu ", "%Y. %F %d.", "%Y. %M"},
    {" ko ", "%Y년 %n월 %d일", "%Y년 %n월"},
    {" ja zh yue wuu ", "%Y年%n月%d日", "%Y年%n月"},
    {" vi ", "%d tháng %n năm %Y", "tháng %n năm %Y"},
};
constexpr DateForm kFinnishForm = {"", "%d. %Mta %Y", "%M %Y"};  // a partitive: "3. toukokuuta"
constexpr DateForm kOtherForm = {"", "%d %F %Y", "%M %Y"};

/// The value of a short run of digits, -1 for anything else.
int small_number(std::string_view text) {
  const bool digits = !text.empty() && std::ranges::all_of(text, is_digit);
  return digits ? parse_number<int>(text).value_or(-1) : -1;
}

std::string_view without_zero(std::string_view day) {
  return day.size() == 2 && day.front() == '0' ? day.substr(1) : day;
}

struct Date {
  std::string_view year;
  int month;
  std::string_view day;
};

std::string english_date(const Date& date, bool day_first) {
  const std::string_view name = kMonths[date.month - 1];
  if (date.day.empty()) return concat({name, " ", date.year});
  return day_first ? concat({date.day, " ", name, " ", date.year})
                   : concat({name, " ", date.day, ", ", date.year});
}

/// "1990-01-02", where the names of months are not known.
std::string plain_date(const Date& date) {
  const std::string number = std::to_string(date.month);
  const std::string start = concat({date.year, "-", date.month < 10 ? "0" : "", number});
  return date.day.empty() ? start : concat({start, "-", date.day.size() == 1 ? "0" : "", date.day});
}

std::string local_date(const Date& date, std::string_view language) {
  const std::string code = concat({" ", language, " "});
  const auto* found = std::ranges::find_if(
      kForms, [&](const DateForm& form) { return form.languages.find(code) != std::string_view::npos; });
  const DateForm& form = language == "fi" ? kFinnishForm : found == std::end(kForms) ? kOtherForm : *found;
  const std::string_view pattern = date.day.empty() ? form.month_year : form.day_month_year;
  const auto name = [&](DateName kind) {
    return date_name(kind, static_cast<unsigned>(date.month), language);
  };
  const bool named = pattern.find_first_of("FM") != std::string_view::npos;
  if (pattern.empty() || (named && name(DateName::kMonth).empty())) return plain_date(date);
  const std::string number = std::to_string(date.month);
  std::string text;
  for (size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] != '%') {
      text += pattern[at];
      continue;
    }
    const char part = pattern[++at];
    text += part == 'd'   ? date.day
            : part == 'F' ? name(DateName::kOfMonth)
            : part == 'M' ? name(DateName::kMonth)
            : part == 'n' ? std::string_view(number)
                          : date.year;
  }
  if (language == "fr" && text.starts_with("1 ")) text.insert(1, "er");
  return native_digits(text, language);
}

}  // namespace

int month_number(std::string_view text) {
  constexpr size_t kShortest = 3;
  const int number = small_number(text);
  if (number >= 0) return number <= 12 ? number : 0;
  const auto* month = std::ranges::find_if(kMonths, [&](std::string_view name) {
    return text.size() >= kShortest && fold_name(name).starts_with(fold_name(text));
  });
  return month == std::end(kMonths) ? 0 : static_cast<int>(month - std::begin(kMonths)) + 1;
}

std::string month_name(std::string_view text, std::string_view language) {
  const int number = small_number(text);
  if (number < 1 || number > 12) return std::string(text);
  const std::string_view name = date_name(DateName::kOfMonth, static_cast<unsigned>(number), language);
  return std::string(name.empty() ? text : name);
}

std::string date_text(const TemplateArguments& arguments, std::string_view language, bool day_first) {
  constexpr size_t kDigitsOfYear = 4;
  std::string_view year = arguments.positional(1);
  std::string_view month_text = arguments.positional(2);
  std::string_view day = arguments.positional(3);
  const bool whole = year.size() == 10 && year[4] == '-' && year[7] == '-';
  if (whole) {  // 1990-01-02
    day = year.substr(8);
    month_text = year.substr(5, 2);
    year = year.substr(0, kDigitsOfYear);
  }
  if (small_number(day) > 0 && day.size() == kDigitsOfYear && year.size() <= 2) std::swap(year, day);
  const int month = month_number(month_text);
  if (small_number(year) < 0) return std::string(year);
  if (month < 1) return native_digits(year, language);
  const Date date{.year = year, .month = month, .day = without_zero(day)};
  return language == "en" || language.empty() ? english_date(date, day_first) : local_date(date, language);
}

}  // namespace pretrain::wikitext
