#pragma once
// Lines on standard output whose values come from files: names of shards, strings of manifests, titles of
// pages. Thread-safe as standard output is.

#include <string>
#include <utility>

#include <fmt/format.h>

#include "libs/base/terminal.h"
#include "libs/base/text.h"

namespace pretrain {

/// One line, whatever the values hold, that a terminal shows and never obeys.
template <typename... Args>
void print_line(fmt::format_string<Args...> format, Args&&... args) {
  fmt::print("{}\n", printable(fmt::format(format, std::forward<Args>(args)...)));
}

/// The same for text that keeps its line breaks and tabs; nothing is added at its end.
template <typename... Args>
void print_text(fmt::format_string<Args...> format, Args&&... args) {
  fmt::print("{}", printable(fmt::format(format, std::forward<Args>(args)...), LineBreaks::kKeep));
}

/// Text that a model or a tokenizer made. A file or another program gets it as it is, a terminal does not: it
/// would obey the control characters.
inline void print_made_text(const std::string& text) {
  fmt::print("{}", output_is_terminal() ? printable(text, LineBreaks::kKeep) : text);
}

}  // namespace pretrain
