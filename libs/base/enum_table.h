// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tables with one row for each value of an enumeration, in the order of the values: the one place that knows
// the name and other properties of a value. A row is a struct with members `value` and `name` and any others.
// Thread-safe: pure functions.
//
//   constexpr EnumName<Packing> kPackings[] = {{Packing::kConcat, "concat"}, {Packing::kChunk, "chunk"}};
//   static_assert(is_in_order(kPackings));
//   row_of(kPackings, packing).name         // "concat"
//   find_value(kPackings, "chunk")          // Packing::kChunk; nothing for other words

#include <cstddef>
#include <optional>
#include <string_view>

namespace pretrain {

/// The row of a table with names only.
template <typename Enum>
struct EnumName {
  Enum value;
  std::string_view name;
};

/// Whether row i is that of value i, so that no value is missing or out of order. For a static_assert after
/// the table.
template <typename Row, size_t N>
constexpr bool is_in_order(const Row (&rows)[N]) {
  for (size_t i = 0; i < N; ++i) {
    if (static_cast<size_t>(rows[i].value) != i) return false;
  }
  return true;
}

/// Requires: the table is in order and has a row for `value`.
template <typename Row, size_t N>
constexpr const Row& row_of(const Row (&rows)[N], decltype(Row::value) value) {
  return rows[static_cast<size_t>(value)];
}

/// The value with that name; nothing when the table has none.
template <typename Row, size_t N>
constexpr std::optional<decltype(Row::value)> find_value(const Row (&rows)[N], std::string_view name) {
  for (const Row& row : rows) {
    if (row.name == name) return row.value;
  }
  return std::nullopt;
}

}  // namespace pretrain
