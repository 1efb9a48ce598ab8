// SPDX-License-Identifier: Apache-2.0
#include "libs/base/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "libs/base/units.h"

namespace pretrain {
namespace {

/// The factor of "k", "M", "Gi" ...; nothing for other words.
std::optional<double> count_factor(std::string_view unit) {
  static constexpr std::string_view kLetters = "kmgt";
  if (unit.empty()) return 1;
  const auto power = kLetters.find(static_cast<char>(unit.front() | 0x20));
  const std::string_view tail = unit.substr(1);
  if (power == std::string_view::npos || !(tail.empty() || tail == "i")) return std::nullopt;
  return std::pow(tail.empty() ? 1000.0 : 1024.0, static_cast<double>(power + 1));
}

}  // namespace

std::optional<uint64_t> parse_count(std::string_view text) {
  uint64_t whole = 0;
  const char* end = text.data() + text.size();
  const auto digits = std::from_chars(text.data(), end, whole);
  if (digits.ec == std::errc() && digits.ptr == end) return whole;  // all 64 bits, not the 53 of a double
  double value = 0;
  const auto number = std::from_chars(text.data(), end, value);
  if (number.ec != std::errc() || !std::isfinite(value) || std::signbit(value)) return std::nullopt;
  const auto factor = count_factor({number.ptr, end});
  if (!factor) return std::nullopt;
  value *= *factor;
  // Allows 0.1k, although 0.1 has no exact binary form, but not 1.5.
  const double rounded = std::round(value);
  if (value >= 1.8e19 || std::abs(value - rounded) > 1e-9 * std::max(1.0, rounded)) return std::nullopt;
  return static_cast<uint64_t>(rounded);
}

std::string exact_count(uint64_t count) {
  constexpr std::array<std::pair<uint64_t, const char*>, 3> kUnits{
      {{1'000'000'000, "G"}, {1'000'000, "M"}, {1000, "k"}}};
  for (const auto& [size, name] : kUnits) {
    if (count >= 1'000'000 && count % size == 0) return fmt::format("{}{}", count / size, name);
  }
  return fmt::format("{}", count);
}

std::string exact_duration(std::chrono::milliseconds duration) {
  const int64_t ms = duration.count();
  if (ms == 0) return "0s";
  constexpr std::array<std::pair<int64_t, const char*>, 4> kUnits{
      {{86'400'000, "d"}, {3'600'000, "h"}, {60'000, "min"}, {1000, "s"}}};
  for (const auto& [size, name] : kUnits) {
    if (ms % size == 0) return fmt::format("{}{}", ms / size, name);
  }
  return fmt::format("{}ms", ms);
}

std::string format_counted(uint64_t count, std::string_view thing, std::string_view things) {
  if (count == 1) return fmt::format("1 {}", thing);
  return things.empty() ? fmt::format("{} {}s", format_count(count), thing)
                        : fmt::format("{} {}", format_count(count), things);
}

std::string format_rate(double tokens_per_second) {
  const double rate = std::isfinite(tokens_per_second) ? std::clamp(tokens_per_second, 0.0, 1e15) : 0;
  if (rate < 9.95) return fmt::format("{:.1f} tokens/s", rate);
  return format_count(static_cast<uint64_t>(std::llround(rate))) + " tokens/s";
}

std::string format_short_count(uint64_t count) {
  if (count < 100'000) return format_count(count);
  static constexpr std::array<const char*, 6> kUnits{"k", "M", "G", "T", "P", "E"};
  auto value = static_cast<double>(count) / 1000;
  size_t unit = 0;
  for (; value >= 999.5 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  return fmt::format("{:.{}f}{}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, kUnits[unit]);
}

std::string format_short_duration(std::chrono::nanoseconds duration) {
  constexpr double kLongest = 9999.0 * 86400;  // eight characters
  const double exact = std::chrono::duration<double>(duration).count();
  const auto seconds = static_cast<int64_t>(std::llround(std::clamp(exact, 0.0, kLongest)));
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
  if (seconds < 86400) return fmt::format("{}h{:02}m", seconds / 3600, seconds % 3600 / 60);
  return fmt::format("{}d{:02}h", seconds / 86400, seconds % 86400 / 3600);
}

}  // namespace pretrain
