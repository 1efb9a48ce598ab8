// SPDX-License-Identifier: Apache-2.0
#include "libs/web/target.h"

#include <algorithm>
#include <charconv>

#include "libs/base/error.h"
#include "libs/base/text.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

std::optional<char> hexadecimal_byte(std::string_view digits) {
  unsigned value = 0;
  if (digits.size() < 2) return std::nullopt;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + 2, value, 16);
  if (error != std::errc{} || end != digits.data() + 2) return std::nullopt;
  return static_cast<char>(value);
}

std::optional<std::string> decoded(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const auto byte = hexadecimal_byte(text.substr(i + 1));
    if (!byte) return std::nullopt;
    result += *byte;
    i += 2;
  }
  return result;
}

}  // namespace

std::optional<WebTarget> parse_target(std::string_view target) {
  if (!target.starts_with('/')) return std::nullopt;
  const size_t mark = std::min(target.find('?'), target.size());
  WebTarget parsed{.path = std::string(target.substr(0, mark))};
  target.remove_prefix(std::min(mark + 1, target.size()));
  while (!target.empty()) {
    const std::string_view pair = target.substr(0, target.find('&'));
    target.remove_prefix(std::min(pair.size() + 1, target.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    const auto name = decoded(pair.substr(0, equals));
    const auto value = decoded(pair.substr(std::min(equals + 1, pair.size())));
    if (!name || !value) return std::nullopt;
    parsed.query.try_emplace(*name, *value);
  }
  return parsed;
}

uint64_t count_in(const WebTarget& target, const std::string& name, uint64_t otherwise, uint64_t least,
                  uint64_t most) {
  const std::string text = text_in(target, name);
  if (text.empty()) return otherwise;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
    fail(ErrorKind::kUsage, "{} must be an integer from {} to {} (got {})", name, format_count(least),
         format_count(most), printable(text));
  }
  return value;
}

std::string text_in(const WebTarget& target, const std::string& name) {
  const auto found = target.query.find(name);
  return found == target.query.end() ? "" : found->second;
}

}  // namespace pretrain
