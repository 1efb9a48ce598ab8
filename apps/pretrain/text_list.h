// SPDX-License-Identifier: Apache-2.0
#pragma once
// An option whose value is a list of texts, such as prompts.

#include <string>
#include <vector>

#include "apps/pretrain/option.h"

namespace pretrain {

/// Any texts, including empty ones; each is given with an option of its own.
template <typename T, typename Member>
OptionValue<T> texts_of(Member m) {
  return {{.placeholder = "TEXT", .is_list = true, .is_literal = true, .may_be_empty = true},
          [=](T& object, std::span<const std::string> texts) {
            option_detail::member(object, m) = std::vector<std::string>(texts.begin(), texts.end());
          },
          [=](const T& object) { return option_detail::member(object, m); }};
}

}  // namespace pretrain
