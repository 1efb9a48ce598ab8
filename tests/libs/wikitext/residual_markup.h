// SPDX-License-Identifier: Apache-2.0
#pragma once
// Markup that a cleaned text still holds.

#include <string>
#include <string_view>
#include <vector>

namespace pretrain::test {

/// `{{`, `}}`, `[[`, `]]`, `{|`, `|}`, `<ref`, `'''` and HTML tags, each as often as it occurs in `text`.
std::vector<std::string> residual_markup(std::string_view text);

}  // namespace pretrain::test
