// SPDX-License-Identifier: Apache-2.0
// Short pieces of wikitext of many wikis against what a reader sees of them: views.txt.

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "libs/wikitext/cleaner.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {
namespace {

struct View {
  std::string wiki;
  std::string wikitext;
  std::string text;
};

std::string with_line_ends(std::string text) {
  for (size_t at = text.find("\\n"); at != std::string::npos; at = text.find("\\n", at))
    text.replace(at, 2, "\n");
  return text;
}

std::vector<View> views() {
  std::vector<View> result;
  std::ifstream file(source_folder() / "tests/libs/wikitext/views.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    const size_t first = line.find('\t');
    const size_t second = line.find('\t', first + 1);
    result.push_back({line.substr(0, first), with_line_ends(line.substr(first + 1, second - first - 1)),
                      with_line_ends(line.substr(second + 1))});
  }
  return result;
}

TEST(Views, AreWhatAReaderSees) {
  for (const View& view : views()) {
    WikitextCleaner cleaner(WikiSite{.language = view.wiki, .namespaces = {}});
    std::string text;
    cleaner.clean(view.wikitext, text, "Sample page");
    EXPECT_EQ(text, view.text) << view.wiki << ": " << view.wikitext;
  }
}

TEST(Views, AreManyOfManyWikis) {
  std::set<std::string> wikis;
  const std::vector<View> all = views();
  for (const View& view : all) wikis.insert(view.wiki);
  EXPECT_GE(all.size(), 300U);
  EXPECT_GE(wikis.size(), 25U);
  EXPECT_TRUE(std::ranges::is_sorted(all, {}, &View::wiki));
}

}  // namespace
}  // namespace pretrain::test
