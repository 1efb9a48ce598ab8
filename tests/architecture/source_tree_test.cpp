// SPDX-License-Identifier: Apache-2.0
// Checks the source tree itself against the rules.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/architecture/comment_rules.h"
#include "tests/architecture/include_rules.h"
#include "tests/architecture/word_rules.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;

bool is_source(const fs::path& path) {
  return path.extension() == ".h" || path.extension() == ".cpp";
}

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Headers and sources below a folder of the tree, as paths relative to the tree, sorted.
std::set<fs::path> sources_in(const std::string& folder) {
  std::set<fs::path> sources;
  for (const auto& entry : fs::recursive_directory_iterator(source_folder() / folder)) {
    if (entry.is_regular_file() && is_source(entry.path())) {
      sources.insert(entry.path().lexically_relative(source_folder()));
    }
  }
  return sources;
}

class SourceFolder : public testing::TestWithParam<const char*> {};

TEST_P(SourceFolder, IncludesOnlyWhatItsLayerMay) {
  const auto sources = sources_in(GetParam());
  ASSERT_FALSE(sources.empty());
  size_t includes = 0;
  for (const fs::path& path : sources) {
    const std::string content = content_of(source_folder() / path);
    EXPECT_THAT(include_faults(path.generic_string(), content), IsEmpty());
    includes += includes_of(content).size();
  }
  EXPECT_GT(includes, sources.size()) << "the include lines were not read";
}

INSTANTIATE_TEST_SUITE_P(Tree, SourceFolder,
                         testing::Values("apps", "pipeline", "tokenizer", "libs", "tests"));

/// By a README.md of its own, or by that of the folder around it, which then names it as `folder/`.
bool is_described(const fs::path& folder) {
  const fs::path full = source_folder() / folder;
  if (fs::exists(full / "README.md")) return true;
  const std::string outer = content_of(full.parent_path() / "README.md");
  return outer.find(fmt::format("`{}/`", folder.filename().string())) != std::string::npos;
}

TEST(SourceTree, EachFolderWithSourcesIsDescribed) {
  std::set<fs::path> folders;
  for (const char* top : {"apps", "pipeline", "tokenizer", "libs"}) {
    for (const fs::path& source : sources_in(top)) folders.insert(source.parent_path());
  }
  for (const fs::path& folder : folders) {
    EXPECT_TRUE(is_described(folder)) << folder << " has no README.md";
  }
}

/// What is compiled once for each instruction set is read several times: "-inl.h" by Highway's convention.
bool is_guarded(const fs::path& header) {
  const std::string content = content_of(source_folder() / header);
  if (header.stem().string().ends_with("-inl"))
    return content.find(") == defined(HWY_TARGET_TOGGLE)\n") != std::string::npos;
  return content.find("\n#pragma once\n") == content.find('\n');  // after the licence
}

/// "//" or "#", as the language of the file has it; nothing for what has no line for a licence, such as data.
std::string_view comment_mark(const fs::path& file) {
  if (is_source(file)) return "//";
  const fs::path ending = file.extension();
  const bool is_script = ending == ".sh" || ending == ".py" || ending == ".cmake";
  return is_script || file.filename() == "CMakeLists.txt" ? "#" : "";
}

bool names_its_licence(std::string_view mark, std::string_view content) {
  if (content.starts_with("#!")) content.remove_prefix(std::min(content.find('\n') + 1, content.size()));
  return content.starts_with(fmt::format("{} SPDX-License-Identifier: Apache-2.0\n", mark));
}

TEST(SourceTree, EachSourceAndScriptBeginsWithItsLicence) {
  size_t files = 0;
  for (const char* top : {"apps", "pipeline", "tokenizer", "libs", "tests", "deploy"}) {
    for (const auto& entry : fs::recursive_directory_iterator(source_folder() / top)) {
      if (!entry.is_regular_file() || comment_mark(entry.path()).empty()) continue;
      EXPECT_TRUE(names_its_licence(comment_mark(entry.path()), content_of(entry.path()))) << entry.path();
      ++files;
    }
  }
  EXPECT_GT(files, 500U) << "the files were not found";
  EXPECT_TRUE(names_its_licence("#", content_of(source_folder() / "CMakeLists.txt")));
  EXPECT_FALSE(names_its_licence("//", "#pragma once\n// SPDX-License-Identifier: Apache-2.0\n"));
  EXPECT_FALSE(names_its_licence("#", "#!/bin/sh\n# SPDX-License-Identifier: MIT\n"));
}

TEST(SourceTree, EachHeaderIsGuarded) {
  for (const char* top : {"apps", "pipeline", "tokenizer", "libs", "tests"}) {
    for (const fs::path& path : sources_in(top)) {
      if (path.extension() != ".h") continue;
      EXPECT_TRUE(is_guarded(path)) << path;
    }
  }
}

TEST(SourceTree, ContractLabelsInHeadersBeginTheirLine) {
  size_t labels = 0;
  for (const char* top : {"apps", "pipeline", "tokenizer", "libs", "tests"}) {
    for (const fs::path& path : sources_in(top)) {
      if (path.extension() != ".h") continue;
      const std::string content = content_of(source_folder() / path);
      EXPECT_THAT(label_faults(path.generic_string(), content), IsEmpty());
      labels += count_labels(content);
    }
  }
  EXPECT_GT(labels, 100U) << "the comments were not read";
}

/// Texts of this project: sources, scripts and documents, without data and without the glossary itself.
bool is_own_text(const fs::path& path) {
  static const std::set<std::string> kExtensions{".h",  ".cpp", ".py",      ".sh",
                                                 ".md", ".txt", ".service", ".ini"};
  static constexpr std::string_view kOther[] = {"CONTRIBUTING.md",
                                                "tests/architecture/word_rules",
                                                "tests/golden/data",
                                                "tests/fuzz/seeds",
                                                "tests/libs/wikitext/golden_pages",
                                                "deploy/sample-corpus",
                                                "build"};
  const std::string name = path.generic_string();
  return kExtensions.contains(path.extension()) &&
         std::ranges::none_of(kOther, [&](std::string_view other) { return name.starts_with(other); });
}

std::set<fs::path> own_texts() {
  std::set<fs::path> texts;
  const auto add = [&](const fs::directory_entry& entry) {
    const fs::path path = entry.path().lexically_relative(source_folder());
    if (entry.is_regular_file() && is_own_text(path)) texts.insert(path);
  };
  for (const auto& entry : fs::directory_iterator(source_folder())) add(entry);
  for (const char* top : {"apps", "pipeline", "tokenizer", "libs", "tests", "deploy"}) {
    for (const auto& entry : fs::recursive_directory_iterator(source_folder() / top)) add(entry);
  }
  return texts;
}

TEST(SourceTree, UsesTheWordsOfItsGlossary) {
  const auto texts = own_texts();
  EXPECT_GT(texts.size(), 500U) << "the texts were not found";
  for (const fs::path& path : texts) {
    EXPECT_THAT(word_faults(path.generic_string(), content_of(source_folder() / path)), IsEmpty());
  }
}

TEST(SourceTree, HasAGlossaryWithEachAvoidedPhrase) {
  const std::string glossary = content_of(source_folder() / "CONTRIBUTING.md");
  for (const AvoidedPhrase& avoided : avoided_phrases()) {
    EXPECT_NE(glossary.find(avoided.phrase), std::string::npos) << avoided.phrase;
  }
}

/// Thus each such header is shown to compile alone; CMakeLists.txt compiles the headers without a source.
TEST(SourceTree, EachSourceIncludesItsOwnHeaderFirst) {
  for (const char* top : {"apps", "pipeline", "tokenizer", "libs", "tests"}) {
    const auto sources = sources_in(top);
    for (const fs::path& path : sources) {
      const fs::path header = fs::path(path).replace_extension(".h");
      if (path == header || !sources.contains(header)) continue;
      const auto includes = includes_of(content_of(source_folder() / path));
      ASSERT_FALSE(includes.empty()) << path;
      EXPECT_EQ(includes.front().target, header.generic_string()) << path;
    }
  }
}

/// What a file holds may be nested without bound; only libs/base/json.cpp knows how to read that.
TEST(SourceTree, JsonIsParsedInOnePlace) {
  for (const char* top : {"apps", "pipeline", "tokenizer", "libs"}) {
    for (const fs::path& path : sources_in(top)) {
      if (path == "libs/base/json.cpp") continue;
      const std::string content = content_of(source_folder() / path);
      for (const char* call : {"json::parse(", "sax_parse(", "json::from_", "json::accept("}) {
        EXPECT_EQ(content.find(call), std::string::npos) << path << " calls " << call << "...";
      }
    }
  }
  EXPECT_NE(content_of(source_folder() / "libs/base/json.cpp").find("sax_parse("), std::string::npos);
}

TEST(SourceTree, MainIsATableOfContents) {
  const std::string content = content_of(source_folder() / "apps" / "pretrain" / "main.cpp");
  ASSERT_FALSE(content.empty());
  EXPECT_LE(std::ranges::count(content, '\n'), 40);
}

TEST(SourceTree, TopLevelHoldsOnlyWhatIsFixed) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(source_folder())) names.push_back(entry.path().filename());
  EXPECT_THAT(names, testing::Contains("libs"));
  EXPECT_THAT(top_level_faults(names), IsEmpty());
}

}  // namespace
}  // namespace pretrain::test
