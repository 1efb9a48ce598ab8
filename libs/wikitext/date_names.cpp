// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/date_names.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <vector>

#include "libs/wikitext/embedded_data.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

using Names = std::vector<std::string_view>;
/// By DateName.
using Language = std::array<Names, 5>;

constexpr std::string_view kRows[] = {"month", "of month", "short month", "day", "short day"};

/// Lines of a key, a tab and names with bars between them; those after a line `language` are of that language.
std::unordered_map<std::string_view, Language> read(std::string_view data) {
  std::unordered_map<std::string_view, Language> languages;
  Names codes;
  while (!data.empty()) {
    const std::string_view line = data.substr(0, data.find('\n'));
    data.remove_prefix(std::min(line.size() + 1, data.size()));
    const size_t tab = line.find('\t');
    if (line.starts_with('#') || tab == std::string_view::npos) continue;
    const std::string_view key = line.substr(0, tab);
    const Names names = split_at_bars(line.substr(tab + 1));
    if (key == "language") codes = names;
    const auto row = static_cast<size_t>(std::ranges::find(kRows, key) - std::begin(kRows));
    if (row == std::size(kRows)) continue;
    for (const std::string_view code : codes) languages[code][row] = names;
  }
  return languages;
}

}  // namespace

std::string_view date_name(DateName kind, unsigned number, std::string_view language) {
  static const auto kLanguages = read(date_names_text());
  const auto found = kLanguages.find(language.empty() ? "en" : language);
  if (found == kLanguages.end()) return {};
  const Names& names = found->second[static_cast<size_t>(kind)];
  return number < 1 || number > names.size() ? std::string_view() : names[number - 1];
}

}  // namespace pretrain::wikitext
