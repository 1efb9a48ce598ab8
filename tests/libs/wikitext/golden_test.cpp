// SPDX-License-Identifier: Apache-2.0
// Real pages against what a reader marked on them. golden_pages.txt holds, for each page, a line
//   page FILE<tab>LANGUAGE<tab>ID<tab>HASH<tab>TITLE      FILE below the data folder; HASH of the wikitext
//   (hash64)
// then the marked fragments in their order on the page (`prose ...`) and strings of its wikitext that must
// not show (`markup ...`). golden_parts.txt holds parts of pages with their wikitext, for wikis of which no page is
// at hand.

#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/hash.h"
#include "tests/libs/wikitext/cleaner_testing.h"
#include "tests/libs/wikitext/dump_pages.h"
#include "tests/libs/wikitext/kept_words.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {
namespace {

namespace fs = std::filesystem;

constexpr double kLeastKept = 0.97;

struct GoldenPage {
  std::string file;
  std::string language;
  std::string id;
  std::string hash;
  std::string title;
  std::string wikitext;  ///< of a part; that of a page is read from its file
  std::vector<std::string> prose;
  std::vector<std::string> markup;
};

GoldenPage parse_page(const std::string& line) {
  GoldenPage page;
  std::istringstream fields(line);
  for (std::string* field : {&page.file, &page.language, &page.id, &page.hash, &page.title}) {
    std::getline(fields, *field, '\t');
  }
  return page;
}

/// "LANGUAGE<tab>TITLE".
GoldenPage parse_part(const std::string& line) {
  GoldenPage part;
  const size_t tab = line.find('\t');
  part.language = line.substr(0, tab);
  part.title = line.substr(tab + 1);
  return part;
}

std::vector<GoldenPage> read_golden(const char* name) {
  std::vector<GoldenPage> pages;
  std::ifstream file(source_folder() / "tests/libs/wikitext" / name);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("page ")) pages.push_back(parse_page(line.substr(5)));
    if (line.starts_with("part ")) pages.push_back(parse_part(line.substr(5)));
    if (line.starts_with("wiki ")) pages.back().wikitext += line.substr(5) + "\n";
    if (line.starts_with("prose ")) pages.back().prose.push_back(line.substr(6));
    if (line.starts_with("markup ")) pages.back().markup.push_back(line.substr(7));
  }
  return pages;
}

std::vector<GoldenPage> golden_pages() {
  return read_golden("golden_pages.txt");
}

std::vector<GoldenPage> golden_parts() {
  return read_golden("golden_parts.txt");
}

/// Its wikitext, by the dump that holds it; each dump is read once.
class Dumps {
 public:
  explicit Dumps(const fs::path& folder) : folder_(folder) {}

  std::string wikitext(const GoldenPage& golden) {
    auto [dump, added] = dumps_.try_emplace(golden.file);
    if (added) dump->second = pages_of_dump(folder_ / golden.file);
    for (const DumpPage& page : dump->second) {
      if (page.id == golden.id && page.title == golden.title) return page.wikitext;
    }
    return "";
  }

 private:
  fs::path folder_;
  std::map<std::string, std::vector<DumpPage>> dumps_;
};

/// Checks one page and adds its words to `total`.
void check_text(const GoldenPage& page, const std::string& wikitext, KeptWords& total) {
  const std::string text = cleaned(wikitext, page.language);
  const KeptWords words = kept_words(page.prose, text);
  EXPECT_GE(static_cast<double>(words.kept), kLeastKept * static_cast<double>(words.marked)) << text;
  for (const std::string& markup : page.markup) {
    EXPECT_NE(wikitext.find(markup), std::string::npos) << markup << " is not on the page";
    EXPECT_EQ(text.find(markup), std::string::npos) << markup << " shows";
  }
  total.kept += words.kept;
  total.marked += words.marked;
}

void check(const GoldenPage& page, Dumps& dumps, KeptWords& total) {
  SCOPED_TRACE(page.file + ": " + page.title);
  const std::string wikitext = dumps.wikitext(page);
  ASSERT_EQ(hex64(hash64(wikitext)), page.hash) << "this is another page than the one that was marked";
  check_text(page, wikitext, total);
}

void check_all(const fs::path& folder, bool sample) {
  Dumps dumps(folder);
  KeptWords total;
  size_t pages = 0;
  std::map<std::string, size_t> languages;
  for (const GoldenPage& page : golden_pages()) {
    if ((page.file == "sample-wiki.xml") != sample) continue;
    check(page, dumps, total);
    ++pages;
    ++languages[page.language];
  }
  EXPECT_GT(pages, 0U);
  std::printf("%zu pages in %zu languages: %zu of %zu marked words kept in order\n", pages, languages.size(),
              total.kept, total.marked);
}

TEST(GoldenPages, OfTheSampleKeepTheirProse) {
  check_all(source_folder() / "deploy/sample-corpus", true);
}

TEST(GoldenPages, OfRealDumpsKeepTheirProse) {
  const auto folder = real_data_folder();
  if (!folder) GTEST_SKIP() << "no real data";
  check_all(*folder, false);
}

TEST(GoldenParts, KeepAllTheirProse) {
  KeptWords total;
  for (const GoldenPage& part : golden_parts()) {
    SCOPED_TRACE(part.language + ": " + part.title);
    check_text(part, part.wikitext, total);
  }
  EXPECT_GT(total.marked, 1000U);
  EXPECT_EQ(total.kept, total.marked);
}

TEST(GoldenPages, AndPartsAreManyInManyLanguages) {
  std::set<std::string> languages;
  for (const GoldenPage& page : golden_pages()) languages.insert(page.language);
  for (const GoldenPage& part : golden_parts()) languages.insert(part.language);
  EXPECT_GE(golden_pages().size() + golden_parts().size(), 80U);
  EXPECT_GE(languages.size(), 20U);
}

TEST(KeptWords, AreAllOfAnEqualText) {
  const KeptWords words = kept_words({"one two three", "four five"}, "zero one two three and four five");
  EXPECT_EQ(words.kept, 5U);
  EXPECT_EQ(words.marked, 5U);
}

TEST(KeptWords, MissWhatIsLostOrOutOfOrder) {
  EXPECT_EQ(kept_words({"one two three four"}, "one two four").kept, 3U);
  EXPECT_EQ(kept_words({"one two", "three four"}, "three four one two").kept, 2U);
  EXPECT_EQ(kept_words({"one two three"}, "three two one").kept, 1U);
  EXPECT_EQ(kept_words({"one two"}, "").kept, 0U);
}

TEST(KeptWords, OfChineseAreCharacters) {
  EXPECT_THAT(words_of("音樂，Music一詞"), testing::ElementsAre("音", "樂", "，", "Music", "一", "詞"));
  EXPECT_EQ(kept_words({"音樂就是聲音"}, "音樂是聲音").kept, 5U);
}

}  // namespace
}  // namespace pretrain::test
