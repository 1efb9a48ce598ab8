// SPDX-License-Identifier: Apache-2.0
#pragma once
// Look-up in a table that is sorted by name. Thread-safe once built.

#include <cstddef>
#include <span>
#include <string_view>
#include <unordered_map>

namespace pretrain::wikitext {

/// A hash table, because a page looks up thousands of names, most of them not in the table, and a binary
/// search would compare each about eight times.
template <typename Entry>
class NameTable {
 public:
  /// Requires: `entries` are sorted by name and outlive the table.
  explicit NameTable(std::span<const Entry> entries) {
    for (size_t first = 0, end = 0; first < entries.size(); first = end) {
      while (end < entries.size() && entries[end].name == entries[first].name) ++end;
      runs_.emplace(entries[first].name, entries.subspan(first, end - first));
    }
  }

  /// The entries of this name.
  std::span<const Entry> find(std::string_view name) const {
    const auto run = runs_.find(name);
    return run == runs_.end() ? std::span<const Entry>() : run->second;
  }

 private:
  std::unordered_map<std::string_view, std::span<const Entry>> runs_;
};

}  // namespace pretrain::wikitext
