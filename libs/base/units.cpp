#include "libs/base/units.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "libs/base/error.h"

namespace pretrain {
namespace {

/// Splits "12.5min..." into 12.5 and "min..."; returns false when no number leads.
bool take_number(std::string_view& text, double& value) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || !std::isfinite(value) || value < 0) return false;
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

}  // namespace

std::chrono::milliseconds parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, double>, 9> kUnits{{{"ms", 1},
                                                                              {"s", 1e3},
                                                                              {"sec", 1e3},
                                                                              {"m", 6e4},
                                                                              {"min", 6e4},
                                                                              {"h", 3.6e6},
                                                                              {"d", 8.64e7},
                                                                              {"w", 6.048e8},
                                                                              {"", 1e3}}};
  std::string_view rest = text;
  double total_ms = 0;
  bool any = false;
  while (skip_blanks(rest), !rest.empty()) {
    double number = 0;
    if (!take_number(rest, number)) break;
    skip_blanks(rest);
    const std::string_view letters = take_letters(rest);
    double factor = 0;
    for (const auto& [name, ms] : kUnits) {
      if (letters == name) factor = ms;
    }
    if (factor == 0) {
      any = false;
      break;
    }
    total_ms += number * factor;
    any = true;
  }
  if (!any || !rest.empty() || total_ms > 3.2e12) {
    fail(ErrorKind::kUsage, "'{}' is not a duration; write for example 90s, 10min, 2h or 1d12h", text);
  }
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
    fail(ErrorKind::kUsage, "'{}' is not a size; write for example 800M, 1.5G or 4096", text);
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
