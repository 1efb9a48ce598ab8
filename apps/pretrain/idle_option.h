// SPDX-License-Identifier: Apache-2.0
#pragma once
// Options that have no effect because of other options: one row each, in a table next to that of a command's options. The
// user who gives such an option expects something that will not happen, so each is refused or warned of.

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "apps/pretrain/option.h"
#include "libs/base/log.h"

namespace pretrain {

template <typename T>
struct IdleOption {
  std::string_view name;
  bool (*is_idle)(const T& values);  ///< from all values together
  std::string_view because;          ///< "with --tokenizer, which brings its own vocabulary"
  std::string_view remedy = {};  ///< what would give it an effect, for example another option; "": nothing
};

/// "--muon-warmup has no effect without --optimizer muon; leave it out, or add --optimizer muon"
template <typename T>
std::string describe_idle(const IdleOption<T>& row) {
  std::string text("--");
  text.append(row.name).append(" has no effect ").append(row.because).append("; leave it out");
  if (!row.remedy.empty()) text.append(", or add ").append(row.remedy);
  return text;
}

/// Warns of each option that has another value than its default and no effect.
/// Requires: the names of the rows are in the table.
template <typename T>
void report_idle_options(const T& values, const OptionTable<T>& table,
                         std::type_identity_t<std::span<const IdleOption<T>>> rows) {
  const T defaults{};
  for (const IdleOption<T>& row : rows) {
    const auto option =
        std::ranges::find_if(table, [&](const Option<T>& known) { return known.info.name == row.name; });
    const bool is_given = option->value.get(values) != option->value.get(defaults);
    if (is_given && row.is_idle(values)) log_warning("{}", describe_idle(row));
  }
}

}  // namespace pretrain
