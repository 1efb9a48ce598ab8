// SPDX-License-Identifier: Apache-2.0
#include "libs/base/units.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "libs/base/error.h"

namespace pretrain {
namespace {

/// Splits "12.5min..." into 12.5 and "min..."; returns false when no number leads.
bool take_number(std::string_view& text, double& value) {
  const auto format = std::chars_format::fixed;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, format);
  if (result.ec != std::errc() || !std::isfinite(value) || std::signbit(value)) return false;
  text.remove_prefix(static_cast<size_t>(result.ptr - text.data()));
  return true;
}

std::string_view take_letters(std::string_view& text) {
  size_t n = 0;
  while (n < text.size() && ((text[n] >= 'a' && text[n] <= 'z') || (text[n] >= 'A' && text[n] <= 'Z'))) ++n;
  const std::string_view letters = text.substr(0, n);
  text.remove_prefix(n);
  return letters;
}

void skip_blanks(std::string_view& text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
}

constexpr double kLongestDuration = 3.2e12;  // ms, a hundred years: no sum of durations overflows

/// Milliseconds of one unit of time; nothing for other words.
std::optional<double> milliseconds_of(std::string_view unit) {
  struct Unit {
    double ms;
    std::array<std::string_view, 5> names;
  };
  static constexpr std::array<Unit, 6> kUnits{{{1, {"ms"}},
                                               {1e3, {"s", "sec", "secs", "second", "seconds"}},
                                               {6e4, {"min", "m", "mins", "minute", "minutes"}},
                                               {3.6e6, {"h", "hr", "hrs", "hour", "hours"}},
                                               {8.64e7, {"d", "day", "days"}},
                                               {6.048e8, {"w", "week", "weeks"}}}};
  for (const Unit& known : kUnits) {
    if (!unit.empty() && std::ranges::find(known.names, unit) != known.names.end()) return known.ms;
  }
  return std::nullopt;
}

[[noreturn]] void refuse_duration(std::string_view text, std::string_view why) {
  fail(ErrorKind::kUsage, "must be a duration such as 90s, 10min, 2h or 1d12h (got {}{})", text, why);
}

}  // namespace

std::chrono::milliseconds parse_duration(std::string_view text) {
  std::string_view rest = text;
  double total_ms = 0;
  double last_unit = std::numeric_limits<double>::infinity();
  if (skip_blanks(rest), rest.empty()) refuse_duration(text, "");
  while (skip_blanks(rest), !rest.empty()) {
    double number = 0;
    if (!take_number(rest, number)) refuse_duration(text, "");
    skip_blanks(rest);
    const std::string_view letters = take_letters(rest);
    // "0" needs no unit.
    if (letters.empty() && number == 0 && rest.empty() && std::isinf(last_unit)) return {};
    if (letters.empty()) refuse_duration(text, ", whose last number has no unit");
    const auto unit = milliseconds_of(letters);
    if (!unit || *unit >= last_unit) refuse_duration(text, "");
    last_unit = *unit;
    total_ms += number * *unit;
  }
  if (total_ms > kLongestDuration) refuse_duration(text, ", which is more than a hundred years");
  return std::chrono::milliseconds(static_cast<int64_t>(std::llround(total_ms)));
}

uint64_t parse_bytes(std::string_view text) {
  std::string_view rest = text;
  double number = 0;
  const bool numeric = take_number(rest, number);
  skip_blanks(rest);
  double factor = 1;
  if (!rest.empty()) {
    static constexpr std::string_view kLetters = "kmgt";
    const auto power = kLetters.find(static_cast<char>(rest.front() | 0x20));
    const std::string_view tail = rest.substr(1);
    const bool known_tail = tail.empty() || tail == "B" || tail == "iB" || tail == "b";
    factor = power != std::string_view::npos && known_tail ? std::pow(1024.0, static_cast<double>(power + 1))
             : rest == "B"                                 ? 1
                                                           : 0;
  }
  if (!numeric || factor == 0 || number * factor > 9e18) {
    fail(ErrorKind::kUsage, "must be a size such as 800M, 1.5G or 4096 (got {})", text);
  }
  return static_cast<uint64_t>(number * factor);
}

std::string format_bytes(uint64_t bytes) {
  static constexpr std::array<const char*, 5> kNames{"B", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kNames.size()) {
    value /= 1000;
    ++unit;
  }
  if (unit == 0) return fmt::format("{} B", bytes);
  return fmt::format("{:.{}f} {}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, kNames[unit]);
}

std::string format_duration(std::chrono::nanoseconds duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1e3);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{:.{}f} s", seconds, seconds < 9.95 ? 1 : 0);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  if (whole < int64_t{48} * 3600) return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
  return fmt::format("{} d {:02} h", whole / 86400, whole % 86400 / 3600);
}

std::string format_count(uint64_t count) {
  std::string digits = std::to_string(count);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), 1, ',');
  return digits;
}

uint64_t round_estimate(double estimate) {
  const double unit = std::pow(10, std::max(0.0, std::floor(std::log10(std::max(estimate, 1.0))) - 2));
  return static_cast<uint64_t>(std::llround(std::round(estimate / unit) * unit));
}

}  // namespace pretrain
