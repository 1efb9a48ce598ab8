// SPDX-License-Identifier: Apache-2.0
#pragma once
// Checks of what a caller inside the program must guarantee. No input can trigger one; a failure is a bug.

#include <string>

#include <fmt/format.h>

namespace pretrain::detail {
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& detail);
}  // namespace pretrain::detail

/// Aborts with the condition and a formatted detail when the condition does not hold.
#define PRETRAIN_CHECK(condition, ...)                                                            \
  do {                                                                                            \
    if (!(condition)) [[unlikely]] {                                                              \
      ::pretrain::detail::check_failed(__FILE__, __LINE__, #condition, fmt::format(__VA_ARGS__)); \
    }                                                                                             \
  } while (false)
