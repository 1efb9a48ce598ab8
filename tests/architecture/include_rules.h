// SPDX-License-Identifier: Apache-2.0
#pragma once
// The rules of the layers, as tables: which folder may include which, and where each third party is at home.
// Works on text, so that a test can plant a violation. Paths are relative to the source tree. Pure functions.

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace pretrain::test {

/// One #include line.
struct Include {
  int line = 0;
  std::string target;
  bool angled = false;  ///< <target> rather than "target"
};

/// The #include lines of a source file; an include of a macro is skipped.
std::vector<Include> includes_of(std::string_view content);

/// The layer table: what each folder of the program may include besides itself.
std::map<std::string, std::set<std::string>> allowed_includes();

/// The layer that a file belongs to: the longest folder of the layer table that holds it, or "".
std::string_view layer_of(std::string_view path);

/// What is wrong with the #include lines of the file at `path`: "path:line: why", one for each fault.
std::vector<std::string> include_faults(std::string_view path, std::string_view content);

/// What is wrong with the names at the top of the source tree, one line for each.
std::vector<std::string> top_level_faults(const std::vector<std::string>& names);

}  // namespace pretrain::test
