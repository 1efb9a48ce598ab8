// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>

#include "apps/pretrain/arguments.h"

namespace pretrain {
namespace {

constexpr size_t kColumns = 80;
constexpr size_t kHelpColumn = 28;  // "  --checkpoint-interval TIME" fits

/// Wraps `text` at column 80. The first line continues at `column`, the others start at `indent`.
std::string wrapped(std::string_view text, size_t column, size_t indent) {
  std::string lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const bool first = column == indent;
    if (!first && column + 1 + word.size() > kColumns) {
      lines += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (!first) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += word.size();
  }
  return lines;
}

std::string option_help(const KnownOption& option) {
  std::string head = fmt::format("  --{}", option.info.name);
  if (!option.shape.placeholder.empty()) head += fmt::format(" {}", option.shape.placeholder);
  if (option.shape.is_list) head += "...";
  std::string text(option.info.help);
  if (!option.default_text.empty()) text += fmt::format(" [{}]", option.default_text);
  if (head.size() + 2 > kHelpColumn) {
    head += '\n' + std::string(kHelpColumn, ' ');
  } else {
    head.resize(kHelpColumn, ' ');
  }
  return head + wrapped(text, kHelpColumn, kHelpColumn) + '\n';
}

}  // namespace

std::string help_text(const CommandSyntax& syntax, const std::vector<KnownOption>& known) {
  std::string text = fmt::format("{}\n", syntax.usage);
  std::vector<std::string_view> groups;
  for (const KnownOption& option : known) {
    if (std::ranges::find(groups, option.info.group) == groups.end()) groups.push_back(option.info.group);
  }
  for (const std::string_view group : groups) {
    text += group.empty() ? "\nOptions:\n" : fmt::format("\n{}:\n", group);
    for (const KnownOption& option : known) {
      if (option.info.group == group) text += option_help(option);
    }
    if (group == groups.back()) text += option_help({{"help", "this text"}, {}, ""});
  }
  if (!syntax.examples.empty()) text += fmt::format("\n{}\n", syntax.examples);
  return text;
}

}  // namespace pretrain
