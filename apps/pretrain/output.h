// SPDX-License-Identifier: Apache-2.0
#pragma once
// Prints lines whose values come from files (names of shards, strings of manifests, titles of pages), which
// may hold control characters. As thread-safe as standard output.

#include <string>
#include <utility>

#include <fmt/format.h>

#include "libs/base/terminal.h"
#include "libs/base/text.h"

namespace pretrain {

/// Prints one line. Control characters are escaped, so that a terminal shows but never executes them.
template <typename... Args>
void print_line(fmt::format_string<Args...> format, Args&&... args) {
  fmt::print("{}\n", printable(fmt::format(format, std::forward<Args>(args)...)));
}

/// The same for text that keeps its line breaks and tabs. Adds no newline.
template <typename... Args>
void print_text(fmt::format_string<Args...> format, Args&&... args) {
  fmt::print("{}", printable(fmt::format(format, std::forward<Args>(args)...), LineBreaks::kKeep));
}

/// Prints text made by a model or a tokenizer: unchanged to a file or a pipe, escaped to a terminal.
inline void print_made_text(const std::string& text) {
  fmt::print("{}", output_is_terminal() ? printable(text, LineBreaks::kKeep) : text);
}

}  // namespace pretrain
