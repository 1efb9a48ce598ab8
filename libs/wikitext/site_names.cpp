// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/site_names.h"

#include <algorithm>

#include "libs/wikitext/embedded_data.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

/// Short names, such as T and CAT, are settings of single wikis and mean other things elsewhere.
bool is_long(std::string_view name) {
  constexpr size_t kLeast = 4;
  return static_cast<size_t>(std::ranges::count_if(name, [](char c) { return (c & 0xC0) != 0x80; })) >=
         kLeast;
}

}  // namespace

/// Lines of a key, a tab and names with bars between them; those after a line `wiki` are that wiki's.
SiteNames::SiteNames(std::string_view data) {
  while (!data.empty()) {
    const std::string_view line = data.substr(0, data.find('\n'));
    data.remove_prefix(std::min(line.size() + 1, data.size()));
    const size_t tab = line.find('\t');
    if (line.starts_with('#') || tab == std::string_view::npos) continue;
    add_line(line.substr(0, tab), split_at_bars(line.substr(tab + 1)));
  }
}

void SiteNames::add_line(std::string_view key, std::vector<std::string_view> values) {
  if (key == "wiki") {
    for (const std::string_view code : values) wikis_by_code_.try_emplace(code, wikis_.size());
    wikis_.emplace_back();
    first_codes_.push_back(values.front());
  } else if (key == "codes") {
    codes_.insert(values.begin(), values.end());
  } else if (key == "exact switches") {
    exact_switches_.insert(values.begin(), values.end());
  } else if (key == "switches") {
    for (const std::string_view word : values) switches_.insert(fold_name(word));
  } else {
    wikis_.back().push_back({key, std::move(values)});
  }
}

std::string_view SiteNames::wiki_of(std::string_view code) const {
  const auto wiki = wikis_by_code_.find(code);
  return wiki == wikis_by_code_.end() ? code : first_codes_[wiki->second];
}

bool SiteNames::is_switch(std::string_view word) const {
  return exact_switches_.contains(word) || switches_.contains(fold_name(word));
}

void SiteNames::visit_rows(const Rows& rows, std::string_view key,
                           const std::function<void(std::string_view)>& visit) {
  const auto row = std::ranges::find(rows, key, &Row::key);
  if (row != rows.end()) std::ranges::for_each(row->names, visit);
}

void SiteNames::for_each(std::string_view key, std::string_view code, std::string_view language,
                         const std::function<void(std::string_view)>& visit) const {
  if (language.empty()) {
    const auto visit_long = [&](std::string_view name) {
      if (is_long(name)) visit(name);
    };
    for (const Rows& rows : wikis_) visit_rows(rows, key, visit_long);
    return;
  }
  auto wiki = wikis_by_code_.find(code);
  if (wiki == wikis_by_code_.end()) wiki = wikis_by_code_.find(language);
  if (wiki != wikis_by_code_.end()) visit_rows(wikis_[wiki->second], key, visit);
}

const SiteNames& site_names() {
  static const SiteNames names(site_names_text());
  return names;
}

}  // namespace pretrain::wikitext
