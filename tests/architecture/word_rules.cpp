// SPDX-License-Identifier: Apache-2.0
#include "tests/architecture/word_rules.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace pretrain::test {
namespace {

/// Lower-case text without comment markers and with single blanks, and the line of each of its characters.
struct FlatText {
  std::string text;
  std::vector<int> lines;

  void add(char c, int line) {
    const bool blank = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (blank && (text.empty() || text.back() == ' ')) return;
    text += blank ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    lines.push_back(line);
  }
};

/// `line` without indentation and the marker of a comment ("///<", "//", "#").
std::string_view without_marker(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  line.remove_prefix(std::min(line.find_first_not_of("/#<"), line.size()));
  return line;
}

FlatText flattened(std::string_view content) {
  FlatText flat;
  for (int number = 1; !content.empty(); ++number) {
    const size_t end = std::min(content.find('\n'), content.size());
    for (const char c : without_marker(content.substr(0, end))) flat.add(c, number);
    flat.add('\n', number);
    content.remove_prefix(std::min(end + 1, content.size()));
  }
  return flat;
}

bool is_word_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

/// Whether the phrase at `position` is not a part of a longer word.
bool is_whole(std::string_view text, size_t position, size_t size) {
  const size_t end = position + size;
  return (position == 0 || !is_word_character(text[position - 1])) &&
         (end == text.size() || !is_word_character(text[end]));
}

}  // namespace

std::span<const AvoidedPhrase> avoided_phrases() {
  static const std::vector<AvoidedPhrase> kPhrases{
      {"passed over", "skipped"},
      {"passing over", "skipping"},
      {"goes on", "continues"},
      {"went on", "continued"},
      {"going on", "continuing"},
      {"gets on", "makes progress"},
      {"by turns", "interleaved"},
      {"in a row", "consecutive"},
      {"told apart", "distinguished"},
      {"tell apart", "distinguish"},
      {"held against", "checked against"},
      {"a person", "the user"},
      {"whoever", "name the caller or the user"},
      {"what becomes of", "name the result"},
      {"what became of", "name the result"},
      {"by heart", "overfit"},
      {"now and then", "periodically"},
      {"all the same", "nevertheless"},
      {"disappointment", "failed search"},
      {"stands for", "means"},
  };
  return kPhrases;
}

std::vector<std::string> word_faults(std::string_view path, std::string_view content) {
  std::vector<std::string> faults;
  const FlatText flat = flattened(content);
  for (const AvoidedPhrase& avoided : avoided_phrases()) {
    if (std::ranges::find(avoided.exceptions, path) != avoided.exceptions.end()) continue;
    for (size_t at = flat.text.find(avoided.phrase); at != std::string::npos;
         at = flat.text.find(avoided.phrase, at + 1)) {
      if (!is_whole(flat.text, at, avoided.phrase.size())) continue;
      faults.push_back(fmt::format("{}:{}: '{}': {}", path, flat.lines[at], avoided.phrase, avoided.instead));
    }
  }
  return faults;
}

}  // namespace pretrain::test
