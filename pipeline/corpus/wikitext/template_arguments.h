#pragma once
// The arguments of a call of a template. Thread-compatible.

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace pretrain::wikitext {

/// The arguments of one call. They are views: the text stays with the caller.
class TemplateArguments {
 public:
  /// Takes the next argument as written, `name=value` or `value`.
  void add(std::string_view argument);
  /// The argument of number `index`, counted from 1, trimmed; "" when absent.
  std::string_view positional(size_t index) const;
  std::string_view named(std::string_view name) const;
  size_t count() const { return positional_.size(); }
  std::string_view last() const { return positional_.empty() ? "" : positional_.back(); }

 private:
  std::vector<std::string_view> positional_;
  std::vector<std::pair<std::string_view, std::string_view>> named_;
};

}  // namespace pretrain::wikitext
