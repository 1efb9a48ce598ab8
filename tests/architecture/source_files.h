// SPDX-License-Identifier: Apache-2.0
#pragma once
// The files of the source tree as text, for the rules.

#include <map>
#include <string>
#include <string_view>

namespace pretrain::test {

/// The content of one file, by its path relative to the tree; "" when there is none.
std::string text_in_tree(std::string_view path);

/// The headers and sources of what the program consists of (apps, libs, pipeline, tokenizer), by path relative to the
/// tree.
std::map<std::string, std::string> program_files();

}  // namespace pretrain::test
