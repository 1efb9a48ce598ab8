// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/timestamps.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include <fmt/format.h>

#include "libs/base/number.h"
#include "libs/wikitext/date_names.h"
#include "libs/wikitext/number_format.h"
#include "libs/wikitext/text_fold.h"
#include "libs/wikitext/written_dates.h"

namespace pretrain::wikitext {
namespace {

constexpr size_t npos = std::string_view::npos;

struct Moment {
  int year = 0;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
};

/// The value of up to `most` digits and nothing else; -1 for other text.
int digits(std::string_view text, size_t most = 2) {
  const bool fits = !text.empty() && text.size() <= most && std::ranges::all_of(text, is_digit);
  return fits ? parse_number<int>(text).value_or(-1) : -1;
}

std::vector<std::string_view> split(std::string_view text, std::string_view marks) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t start = text.find_first_not_of(marks);
    if (start == npos) return words;
    text.remove_prefix(start);
    const size_t end = std::min(text.find_first_of(marks), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

bool read_clock(std::string_view text, Moment& moment) {
  if (text.ends_with('Z')) text.remove_suffix(1);
  const auto parts = split(text, ":");
  if (parts.size() < 2 || parts.size() > 3) return false;
  moment.hour = digits(parts[0]);
  moment.minute = digits(parts[1]);
  moment.second = parts.size() == 3 ? digits(parts[2]) : 0;
  return moment.hour >= 0 && moment.hour < 24 && moment.minute >= 0 && moment.minute < 60 &&
         moment.second >= 0 && moment.second < 60;
}

/// "2019-03-08", "2019-03", "20190308".
bool read_numbers(std::string_view text, Moment& moment) {
  if (text.size() == 8 && digits(text, 8) >= 0) {
    moment.year = digits(text.substr(0, 4), 4);
    moment.month = digits(text.substr(4, 2));
    moment.day = digits(text.substr(6, 2));
    return true;
  }
  const auto parts = split(text, "-");
  if (parts.size() < 2 || parts.size() > 3 || parts[0].size() != 4) return false;
  moment.year = digits(parts[0], 4);
  moment.month = digits(parts[1]);
  moment.day = parts.size() == 3 ? digits(parts[2]) : 1;
  return true;
}

/// "8 March 2019", "March 8, 2019", "March 2019".
bool read_words(const std::vector<std::string_view>& words, Moment& moment) {
  if (words.size() < 2 || words.size() > 3) return false;
  const bool day_first = digits(words[0]) > 0;
  const std::string_view month = words[day_first ? 1 : 0];
  moment.month = is_digit(month.front()) ? 0 : month_number(month);
  if (words.size() == 3) moment.day = digits(words[day_first ? 0 : 1]);
  moment.year = words.back().size() == 4 ? digits(words.back(), 4) : -1;
  return words.size() == 3 || !day_first;
}

std::chrono::year_month_day date_of(const Moment& moment) {
  return {std::chrono::year(moment.year), std::chrono::month(static_cast<unsigned>(moment.month)),
          std::chrono::day(static_cast<unsigned>(moment.day))};
}

std::optional<Moment> read_moment(std::string_view stated) {
  Moment moment;
  constexpr size_t kLongest = 40;
  if (stated.size() > kLongest) return std::nullopt;
  std::string text(stated);
  const size_t mark = text.find('T');
  if (mark == 10 && text.find('-') == 4) text[mark] = ' ';
  auto words = split(text, " ,\t\n");
  if (words.size() > 1 && words.back().find(':') != npos) {
    if (!read_clock(words.back(), moment)) return std::nullopt;
    words.pop_back();
  }
  const bool read = words.size() == 1 ? read_numbers(words.front(), moment) : read_words(words, moment);
  if (!read || moment.year < 0 || moment.month < 1 || moment.day < 1 || !date_of(moment).ok())
    return std::nullopt;
  return moment;
}

/// 1 for Monday to 7.
unsigned weekday_of(const Moment& moment) {
  return std::chrono::weekday(std::chrono::sys_days(date_of(moment))).iso_encoding();
}

int day_of_year(const Moment& moment) {
  const auto first = std::chrono::sys_days(std::chrono::year(moment.year) / 1 / 1);
  return static_cast<int>((std::chrono::sys_days(date_of(moment)) - first).count());
}

std::optional<std::string> name_text(DateName kind, const Moment& moment, std::string_view language) {
  const bool is_day = kind == DateName::kDay || kind == DateName::kShortDay;
  const std::string_view name =
      date_name(kind, is_day ? weekday_of(moment) : static_cast<unsigned>(moment.month), language);
  return name.empty() ? std::nullopt : std::optional(std::string(name));
}

std::optional<std::string> letter_text(char letter, const Moment& moment, std::string_view language) {
  const std::chrono::year_month_day_last last = std::chrono::year(moment.year) /
                                                std::chrono::month(static_cast<unsigned>(moment.month)) /
                                                std::chrono::last;
  const int twelve = moment.hour % 12 == 0 ? 12 : moment.hour % 12;
  switch (letter) {
    case 'Y':
      return fmt::format("{:04}", moment.year);
    case 'y':
      return fmt::format("{:02}", moment.year % 100);
    case 'n':
      return std::to_string(moment.month);
    case 'm':
      return fmt::format("{:02}", moment.month);
    case 'j':
      return std::to_string(moment.day);
    case 'd':
      return fmt::format("{:02}", moment.day);
    case 'F':
      return name_text(DateName::kMonth, moment, language);
    case 'M':
      return name_text(DateName::kShortMonth, moment, language);
    case 'D':
      return name_text(DateName::kShortDay, moment, language);
    case 'l':
      return name_text(DateName::kDay, moment, language);
    case 'N':
      return std::to_string(weekday_of(moment));
    case 'w':
      return std::to_string(weekday_of(moment) % 7);
    case 'z':
      return std::to_string(day_of_year(moment));
    case 't':
      return std::to_string(static_cast<unsigned>(last.day()));
    case 'L':
      return std::chrono::year(moment.year).is_leap() ? "1" : "0";
    case 'G':
      return std::to_string(moment.hour);
    case 'H':
      return fmt::format("{:02}", moment.hour);
    case 'g':
      return std::to_string(twelve);
    case 'h':
      return fmt::format("{:02}", twelve);
    case 'i':
      return fmt::format("{:02}", moment.minute);
    case 's':
      return fmt::format("{:02}", moment.second);
    case 'a':
      return moment.hour < 12 ? "am" : "pm";
    case 'A':
      return moment.hour < 12 ? "AM" : "PM";
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<std::string> formatted_time(std::string_view format, std::string_view stated,
                                          std::string_view language) {
  const auto moment = read_moment(stated);
  if (!moment) return std::nullopt;
  std::string result;
  bool is_roman = false;
  for (size_t at = 0; at < format.size(); ++at) {
    const char byte = format[at];
    const size_t quote = byte == '"' ? format.find('"', at + 1) : npos;
    if (quote != npos) {
      result += format.substr(at + 1, quote - at - 1);
      at = quote;
    } else if (byte == '\\' && at + 1 < format.size()) {
      result += format[++at];
    } else if (format.substr(at).starts_with("xr")) {
      is_roman = true;
      ++at;
    } else if (format.substr(at).starts_with("xn")) {
      ++at;
    } else if (format.substr(at).starts_with("xg")) {
      const auto name = name_text(DateName::kOfMonth, *moment, language);
      if (!name) return std::nullopt;
      result += *name;
      ++at;
    } else if (!is_letter(byte)) {
      result += byte;
    } else {
      const auto text = letter_text(byte, *moment, language);
      if (!text) return std::nullopt;
      const int number = is_roman ? digits(*text, 4) : -1;
      result += number > 0 ? roman_number(number) : *text;
      is_roman = false;
    }
  }
  return result;
}

}  // namespace pretrain::wikitext
