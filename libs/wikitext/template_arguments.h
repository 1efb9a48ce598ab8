// SPDX-License-Identifier: Apache-2.0
#pragma once
// The arguments of a template call. Thread-compatible.

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace pretrain::wikitext {

/// The arguments of one call. They are views: the text must outlive them.
class TemplateArguments {
 public:
  /// Adds the next argument as written, `name=value` or `value`.
  void add(std::string_view argument);
  /// The positional argument `index`, from 1, trimmed; "" when absent.
  std::string_view positional(size_t index) const;
  std::string_view named(std::string_view name) const;
  size_t count() const { return positional_.size(); }
  std::string_view last() const { return positional_.empty() ? "" : positional_.back(); }

 private:
  std::vector<std::string_view> positional_;
  std::vector<std::pair<std::string_view, std::string_view>> named_;
};

}  // namespace pretrain::wikitext
