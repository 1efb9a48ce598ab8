// SPDX-License-Identifier: Apache-2.0
#pragma once
// Parses numbers from files and command lines, independent of the locale. Thread-safe: pure functions.

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace pretrain {

/// Parses the whole of `text` as a number: digits, with a '-' before them if Number is signed; for floating
/// point, the syntax of strtod in the C locale, including "inf" and "nan". Empty for an empty text, blanks, a
/// '+', characters after the number, or a number out of range.
template <typename Number>
[[nodiscard]] std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && rest == end ? std::optional(value) : std::nullopt;
}

}  // namespace pretrain
