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
  /// Adds the next argument, `name=value` or `value`; `equals` is the position of the `=` that was written
  /// between name and value, npos without one. An `=` that came from a template or an entity is part of a value.
  void add(std::string_view argument, size_t equals);
  /// The positional argument `index`, from 1, trimmed; "" when absent.
  std::string_view positional(size_t index) const;
  /// The same with the spaces around it, which belong to the value.
  std::string_view untrimmed(size_t index) const;
  std::string_view named(std::string_view name) const;
  size_t count() const { return positional_.size(); }
  std::string_view last() const { return positional(positional_.size()); }

 private:
  void set(size_t index, std::string_view value);

  std::vector<std::string_view> positional_;
  size_t unnamed_ = 0;  ///< arguments without a name so far
  std::vector<std::pair<std::string_view, std::string_view>> named_;
};

}  // namespace pretrain::wikitext
