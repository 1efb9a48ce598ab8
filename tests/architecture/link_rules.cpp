// SPDX-License-Identifier: Apache-2.0
#include "tests/architecture/link_rules.h"

#include <sstream>

#include "tests/architecture/include_rules.h"

namespace pretrain::test {
namespace {

/// The folder of a library that holds `path`, or "".
std::string home_of(const std::string& path, const std::map<std::string, std::string>& names) {
  std::string longest;
  for (const auto& [folder, name] : names) {
    if (path.starts_with(folder + "/") && folder.size() > longest.size()) longest = folder;
  }
  return longest;
}

}  // namespace

std::optional<Library> library_in(std::string_view cmake) {
  constexpr std::string_view kCall = "pretrain_library(";
  const size_t call = cmake.find(kCall);
  if (call == std::string_view::npos) return std::nullopt;
  const std::string_view rest = cmake.substr(call + kCall.size());
  std::istringstream words{std::string(rest.substr(0, rest.find(')')))};
  Library library;
  words >> library.name;
  std::set<std::string> others;
  std::set<std::string>* into = &others;
  for (std::string word; words >> word;) {
    if (word == "SOURCES") into = &others;
    if (word == "DEPS") into = &library.links.in_headers;
    if (word == "PRIVATE_DEPS") into = &library.links.in_sources_only;
    if (word.starts_with("pretrain_")) into->insert(word);
  }
  return library;
}

Links needed_links(const std::string& folder, const std::map<std::string, std::string>& names,
                   const std::map<std::string, std::string>& files) {
  Links links;
  for (const auto& [path, content] : files) {
    if (home_of(path, names) != folder) continue;
    for (const Include& include : includes_of(content)) {
      const std::string used = home_of(include.target, names);
      if (used.empty() || used == folder) continue;
      (path.ends_with(".h") ? links.in_headers : links.in_sources_only).insert(names.at(used));
    }
  }
  for (const std::string& name : links.in_headers) links.in_sources_only.erase(name);
  return links;
}

}  // namespace pretrain::test
