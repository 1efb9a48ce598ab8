// SPDX-License-Identifier: Apache-2.0
#include "tests/architecture/comment_rules.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <sstream>

#include <fmt/format.h>

namespace pretrain::test {
namespace {

constexpr std::string_view kLabels[] = {"Shapes:",        "Units:",  "Aliasing:", "Requires:",     "Errors:",
                                        "Repeatability:", "Source:", "Memory:",   "Thread safety:"};

/// What a line says after its comment mark (//, ///, ///<), without the blanks around it.
std::optional<std::string_view> comment_of(std::string_view line) {
  const size_t mark = line.find("//");
  if (mark == std::string_view::npos) return std::nullopt;
  line.remove_prefix(std::min(line.find_first_not_of("/<", mark), line.size()));
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  return line;
}

/// A label is a whole word: "Errors:" but not "kErrors:" or "Errors::k".
bool is_label_at(std::string_view text, size_t at, std::string_view label) {
  const size_t end = at + label.size();
  const bool begins = at == 0 || std::isalnum(static_cast<unsigned char>(text[at - 1])) == 0;
  return begins && (end == text.size() || text[end] == ' ');
}

/// Where the label is in the text, or npos.
size_t find_label(std::string_view text, std::string_view label) {
  size_t at = text.find(label);
  while (at != std::string_view::npos && !is_label_at(text, at, label)) at = text.find(label, at + 1);
  return at;
}

template <typename Visit>
void for_each_comment(std::string_view content, Visit visit) {
  std::istringstream lines{std::string(content)};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (const auto comment = comment_of(line)) visit(number, *comment);
  }
}

}  // namespace

std::vector<std::string> label_faults(std::string_view path, std::string_view content) {
  std::vector<std::string> faults;
  for_each_comment(content, [&](int line, std::string_view comment) {
    for (const std::string_view label : kLabels) {
      const size_t first = find_label(comment, label);
      // A label may come twice in a line, first at its beginning.
      const size_t at = first == 0 ? find_label(comment.substr(1), label) : first;
      if (at != std::string_view::npos) {
        faults.push_back(fmt::format("{}:{}: {} does not begin its line", path, line, label));
      }
    }
  });
  return faults;
}

size_t count_labels(std::string_view content) {
  size_t count = 0;
  for_each_comment(content, [&](int, std::string_view comment) {
    count += std::ranges::count_if(kLabels,
                                   [&](std::string_view label) { return find_label(comment, label) == 0; });
  });
  return count;
}

}  // namespace pretrain::test
