// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/template_arguments.h"

#include <algorithm>

#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

bool is_argument_name(std::string_view name) {
  constexpr size_t kLongest = 24;
  if (name.empty() || name.size() > kLongest) return false;
  return std::ranges::all_of(name, [](char c) {
    return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == ' ' ||
           static_cast<unsigned char>(c) >= 0x80;
  });
}

}  // namespace

void TemplateArguments::add(std::string_view argument) {
  const size_t equals = argument.find('=');
  const std::string_view name = trim(argument.substr(0, std::min(equals, argument.size())));
  if (equals == std::string_view::npos || !is_argument_name(name)) {
    positional_.push_back(trim(argument));
    return;
  }
  const std::string_view value = trim(argument.substr(equals + 1));
  const bool numbered = name.size() == 1 && name[0] >= '1' && name[0] <= '9';
  if (!numbered) {
    named_.emplace_back(name, value);
    return;
  }
  const auto index = static_cast<size_t>(name[0] - '0');
  if (positional_.size() < index) positional_.resize(index);
  positional_[index - 1] = value;
}

std::string_view TemplateArguments::positional(size_t index) const {
  return index == 0 || index > positional_.size() ? "" : positional_[index - 1];
}

std::string_view TemplateArguments::named(std::string_view name) const {
  const auto found = std::ranges::find(named_, name, [](const auto& argument) { return argument.first; });
  return found == named_.end() ? "" : found->second;
}

}  // namespace pretrain::wikitext
