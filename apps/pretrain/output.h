#pragma once
// Lines on standard output whose values come from files: names of shards, strings of manifests, titles of
// pages. Thread-safe as standard output is.

#include <utility>

#include <fmt/format.h>

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

}  // namespace pretrain
