#pragma once
// Numbers as files and command lines write them. Locale-free. Thread-safe: pure functions.

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace pretrain {

/// The number that the whole of `text` is: digits, with a '-' before them when Number has a sign; for
/// floating point what strtod reads in the C locale, "inf" and "nan" included. Nothing for an empty text,
/// blanks, a '+', anything after the number, or a number that Number can't hold.
template <typename Number>
[[nodiscard]] std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && rest == end ? std::optional(value) : std::nullopt;
}

}  // namespace pretrain
