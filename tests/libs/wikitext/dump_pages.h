// SPDX-License-Identifier: Apache-2.0
#pragma once
// Pages of a MediaWiki dump, read whole, for tests: XML or XML in bzip2, a dump cut off in the middle, a bare
// <page>.

#include <filesystem>
#include <string>
#include <vector>

namespace pretrain::test {

struct DumpPage {
  std::string title;
  std::string id;
  std::string space = "0";  ///< number of the namespace; main where the dump names none
  bool redirect = false;
  std::string wikitext;  ///< of the last revision
};

/// What can be read; a dump that is damaged gives the pages before the damage.
std::vector<DumpPage> pages_of_dump(const std::filesystem::path& path);

}  // namespace pretrain::test
