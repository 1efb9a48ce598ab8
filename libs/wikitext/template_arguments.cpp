// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/template_arguments.h"

#include <algorithm>

#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

bool is_argument_name(std::string_view name) {
  constexpr size_t kLongest = 64;
  if (name.empty() || name.size() > kLongest) return false;
  return std::ranges::all_of(name, [](char c) {
    return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == ' ' ||
           static_cast<unsigned char>(c) >= 0x80;
  });
}

}  // namespace

/// Of two arguments of one name the last counts, as in MediaWiki.
void TemplateArguments::add(std::string_view argument, size_t equals) {
  const bool split = equals < argument.size();
  const std::string_view name = split ? trim(argument.substr(0, equals)) : "";
  if (!is_argument_name(name)) return set(++unnamed_, argument);
  const std::string_view value = trim(argument.substr(equals + 1));
  const bool numbered = name.size() == 1 && name[0] >= '1' && name[0] <= '9';
  if (numbered) return set(static_cast<size_t>(name[0] - '0'), value);
  named_.emplace_back(name, value);
}

void TemplateArguments::set(size_t index, std::string_view value) {
  if (positional_.size() < index) positional_.resize(index);
  positional_[index - 1] = value;
}

std::string_view TemplateArguments::positional(size_t index) const {
  return trim(untrimmed(index));
}

std::string_view TemplateArguments::untrimmed(size_t index) const {
  return index == 0 || index > positional_.size() ? "" : positional_[index - 1];
}

std::string_view TemplateArguments::named(std::string_view name) const {
  const auto found = std::find_if(named_.rbegin(), named_.rend(),
                                  [&](const auto& argument) { return argument.first == name; });
  return found == named_.rend() ? "" : found->second;
}

}  // namespace pretrain::wikitext
