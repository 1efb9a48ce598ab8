// SPDX-License-Identifier: Apache-2.0
#pragma once
// Parses and formats sizes and durations for the user.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace pretrain {

constexpr uint64_t operator""_KiB(unsigned long long n) {
  return n << 10;
}
constexpr uint64_t operator""_MiB(unsigned long long n) {
  return n << 20;
}
constexpr uint64_t operator""_GiB(unsigned long long n) {
  return n << 30;
}

/// "90s", "10min", "2h", "1d12h", "500ms"; each number except "0" needs a unit.
/// Errors: kUsage, naming the text.
std::chrono::milliseconds parse_duration(std::string_view text);
/// "1536", "64k", "1.5G", "512MiB" (powers of 1024).
/// Errors: kUsage, naming the text.
uint64_t parse_bytes(std::string_view text);

/// "3.1 GB" (powers of 1000).
std::string format_bytes(uint64_t bytes);
/// "2 h 05 min", "3 min 10 s", "12 s", "850 ms".
std::string format_duration(std::chrono::nanoseconds duration);
/// "1,234,567".
std::string format_count(uint64_t count);
/// Rounded to an integer of three significant digits, because an estimate is no more exact.
/// Requires: not negative.
uint64_t round_estimate(double estimate);

}  // namespace pretrain
