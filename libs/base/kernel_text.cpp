// SPDX-License-Identifier: Apache-2.0
#include "libs/base/kernel_text.h"

#include <charconv>

namespace pretrain {

std::string kernel_text(const Path& path) {
  constexpr uint64_t kLimitBytes = 1 << 20;
  try {
    return read_file_if_exists(path, kLimitBytes).value_or("");
  } catch (const IoError&) {
    return "";
  }
}

std::optional<uint64_t> leading_number(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

std::optional<uint64_t> number_of_key(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (!line.starts_with(key)) continue;
    const std::string_view rest = line.substr(key.size());
    if (rest.starts_with(' ') || rest.starts_with('\t') || rest.starts_with(':'))
      return leading_number(rest.substr(1));
  }
  return std::nullopt;
}

}  // namespace pretrain
