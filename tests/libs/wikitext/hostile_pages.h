// SPDX-License-Identifier: Apache-2.0
#pragma once
// Pages that make a careless parser slow: markup that never ends or nests without end.

#include <ostream>
#include <span>
#include <string>
#include <string_view>

namespace pretrain::test {

struct HostilePattern {
  std::string_view name;
  std::string_view head;  ///< once
  std::string_view body;  ///< as often as fits
};

inline void PrintTo(const HostilePattern& pattern, std::ostream* out) {
  *out << pattern.name;
}

std::span<const HostilePattern> hostile_patterns();

/// A page of about `size` bytes.
std::string hostile_page(const HostilePattern& pattern, size_t size);

}  // namespace pretrain::test
