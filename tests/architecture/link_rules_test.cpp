// SPDX-License-Identifier: Apache-2.0
#include "tests/architecture/link_rules.h"

#include <filesystem>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/architecture/include_rules.h"
#include "tests/architecture/source_files.h"

namespace pretrain::test {

/// What a failed comparison shows.
void PrintTo(const Links& links, std::ostream* out) {
  *out << "DEPS " << testing::PrintToString(links.in_headers) << " PRIVATE_DEPS "
       << testing::PrintToString(links.in_sources_only);
}

namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(LibraryIn, FindsLinksToOurs) {
  const auto library = library_in(
      "add_subdirectory(x)\npretrain_library(pretrain_a\n  SOURCES a.cpp b.cpp\n  DEPS pretrain_b fmt::fmt\n"
      "       pretrain_c\n  PRIVATE_DEPS pretrain_d TBB::tbb)\ntarget_link_libraries(pretrain_a PRIVATE x)\n");
  ASSERT_TRUE(library);
  EXPECT_EQ(library->name, "pretrain_a");
  EXPECT_THAT(library->links.in_headers, ElementsAre("pretrain_b", "pretrain_c"));
  EXPECT_THAT(library->links.in_sources_only, ElementsAre("pretrain_d"));
  EXPECT_FALSE(library_in("add_subdirectory(base)\n"));
}

TEST(NeededLinks, TellHeadersFromSources) {
  const std::map<std::string, std::string> names{
      {"a", "pretrain_a"}, {"a/inner", "pretrain_inner"}, {"b", "pretrain_b"}, {"c", "pretrain_c"}};
  const std::map<std::string, std::string> files{
      {"a/one.h", "#include \"b/x.h\"\n#include <vector>\n"},
      {"a/one.cpp", "#include \"a/one.h\"\n#include \"b/x.h\"\n#include \"a/inner/y.h\"\n"},
      {"a/inner/y.h", "#include \"c/z.h\"\n"},
      {"b/x.h", ""}};
  const Links links = needed_links("a", names, files);
  EXPECT_THAT(links.in_headers, ElementsAre("pretrain_b"));
  EXPECT_THAT(links.in_sources_only, ElementsAre("pretrain_inner"));
  EXPECT_THAT(needed_links("a/inner", names, files).in_headers, ElementsAre("pretrain_c"));
  EXPECT_THAT(needed_links("b", names, files).in_headers, IsEmpty());
}

/// The libraries of the tree by folder.
std::map<std::string, Library> libraries() {
  std::map<std::string, Library> found;
  std::map<std::string, std::string> files = program_files();
  for (const auto& [path, content] : files) {
    const std::string folder = fs::path(path).parent_path().generic_string();
    if (found.contains(folder)) continue;
    if (const auto library = library_in(text_in_tree(folder + "/CMakeLists.txt"))) found[folder] = *library;
  }
  return found;
}

TEST(SourceTree, LinksToALibraryWhatItIncludesAndNothingElse) {
  const std::map<std::string, Library> all = libraries();
  ASSERT_GT(all.size(), 10U);
  std::map<std::string, std::string> names;
  for (const auto& [folder, library] : all) names[folder] = library.name;
  const auto files = program_files();
  for (const auto& [folder, library] : all)
    EXPECT_EQ(library.links, needed_links(folder, names, files)) << folder << "/CMakeLists.txt";
}

TEST(SourceTree, UsesEachPermissionOfTheLayerTable) {
  std::map<std::string, std::set<std::string>> used;
  for (const auto& [path, content] : program_files()) {
    const std::string from(layer_of(path));
    for (const Include& include : includes_of(content)) {
      const std::string to(layer_of(include.target));
      if (!include.angled && !to.empty() && to != from) used[from].insert(to);
    }
  }
  for (const auto& [folder, allowed] : allowed_includes()) {
    if (folder == "apps") continue;  // which may include everything
    EXPECT_EQ(used[folder], allowed) << folder;
  }
}

/// The folders in backquotes in a column of a table.
std::set<std::string> folders_in(std::string_view cell) {
  std::set<std::string> folders;
  while (true) {
    const size_t open = cell.find('`');
    const size_t close = open == std::string_view::npos ? open : cell.find('`', open + 1);
    if (close == std::string_view::npos) return folders;
    folders.emplace(cell.substr(open + 1, close - open - 1));
    cell.remove_prefix(close + 1);
  }
}

/// The rows "| `folder` | what it holds | `a`, `b` |" of a document.
std::map<std::string, std::set<std::string>> layers_in(const std::string& document) {
  std::map<std::string, std::set<std::string>> rows;
  std::istringstream lines(document);
  for (std::string line; std::getline(lines, line);) {
    const size_t second = line.find('|', 1);
    const size_t third = second == std::string::npos ? second : line.find('|', second + 1);
    if (!line.starts_with("| `") || third == std::string::npos) continue;
    const auto folders = folders_in(std::string_view(line).substr(0, second));
    if (folders.size() == 1 && allowed_includes().contains(*folders.begin()))
      rows[*folders.begin()] = folders_in(std::string_view(line).substr(third));
  }
  return rows;
}

TEST(Documents, TellTheLayersThatTheTableHas) {
  EXPECT_EQ(layers_in(text_in_tree("ARCHITECTURE.md")), allowed_includes());
}

TEST(Documents, AreReadRowByRow) {
  EXPECT_EQ(
      layers_in("| folder | holds | may include |\n| `libs/optim` | AdamW | `libs/model`, `libs/base` |\n"),
      (std::map<std::string, std::set<std::string>>{{"libs/optim", {"libs/base", "libs/model"}}}));
}

}  // namespace
}  // namespace pretrain::test
