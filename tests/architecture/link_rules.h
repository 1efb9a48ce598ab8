// SPDX-License-Identifier: Apache-2.0
#pragma once
// What CMake links to a library of ours, and what its include lines need. Works on text. Pure functions.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace pretrain::test {

/// The libraries of ours that another one uses.
struct Links {
  std::set<std::string> in_headers;       ///< DEPS: their headers are included by its headers
  std::set<std::string> in_sources_only;  ///< PRIVATE_DEPS: only by its sources

  bool operator==(const Links&) const = default;
};

/// Of one folder.
struct Library {
  std::string name;  ///< of the CMake target
  Links links;
};

/// The library that a CMakeLists.txt makes with pretrain_library(), with its links to ours; nothing when it makes none.
std::optional<Library> library_in(std::string_view cmake);

/// What the files of `folder` include of other folders with a library. `names` has the libraries by folder, `files`
/// the content by path; a file belongs to the longest folder that holds it.
Links needed_links(const std::string& folder, const std::map<std::string, std::string>& names,
                   const std::map<std::string, std::string>& files);

}  // namespace pretrain::test
