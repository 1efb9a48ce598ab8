// SPDX-License-Identifier: Apache-2.0
#pragma once
// Text fitted to a terminal.

#include <cstddef>
#include <string>
#include <string_view>

namespace pretrain {

/// The text with each longer line broken at blanks, where a terminal would break it within a word. What follows a
/// break is indented by two more blanks than its line. A word that is longer than the terminal is wide stays whole.
/// Units: `columns` in characters.
std::string wrapped_lines(std::string_view text, size_t columns);

}  // namespace pretrain
