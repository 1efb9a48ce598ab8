// SPDX-License-Identifier: Apache-2.0
// How fast the wikitext cleaner is: bytes of wikitext a second on one core. The ordinary pages are those of
// the real dumps where they are present, else of the sample; the hostile ones are those of
// tests/libs/wikitext. `examined` is the number of bytes looked at or moved for each byte of the
// page.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "libs/wikitext/cleaner.h"
#include "tests/libs/wikitext/dump_pages.h"
#include "tests/libs/wikitext/hostile_pages.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {
namespace {

constexpr int64_t kKiB = 1024;
constexpr int64_t kMiB = 1024 * kKiB;

struct Corpus {
  std::string name;
  std::string language;
  std::vector<std::string> pages;
};

Corpus read_corpus(const std::filesystem::path& path, const std::string& language) {
  Corpus corpus{.name = path.filename().string(), .language = language, .pages = {}};
  for (DumpPage& page : pages_of_dump(path)) {
    if (page.space == "0" && !page.redirect) corpus.pages.push_back(std::move(page.wikitext));
  }
  return corpus;
}

std::vector<Corpus> corpora() {
  const auto folder = real_data_folder();
  if (!folder) return {read_corpus(source_folder() / "deploy/sample-corpus/sample-wiki.xml", "en")};
  const std::pair<const char*, const char*> files[] = {
      {"enwiki-2022-head-unclosed.xml.bz2", "en"},
      {"enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2", "en"},
      {"zhwiki-2018-test-pages.xml", "zh"},
      {"viwiki-20240701-pages-articles-multistream4.xml", "vi"},
      {"ltgwiki-2017-pages-articles.xml", "ltg"}};
  std::vector<Corpus> result;
  for (const auto& [file, language] : files)
    result.push_back(read_corpus(*folder / "dumps" / file, language));
  return result;
}

void clean_pages(benchmark::State& state, const std::vector<std::string>& pages,
                 const std::string& language) {
  WikitextCleaner cleaner(WikiSite{.language = language, .namespaces = {}});
  int64_t bytes = 0;
  int64_t text_bytes = 0;
  std::string text;
  for (auto _ : state) {
    for (const std::string& page : pages) {
      text.clear();
      cleaner.clean(page, text);
      benchmark::DoNotOptimize(text.data());
      bytes += static_cast<int64_t>(page.size());
      text_bytes += static_cast<int64_t>(text.size());
    }
  }
  state.SetBytesProcessed(bytes);
  state.counters["examined"] = static_cast<double>(cleaner.examined_bytes()) / static_cast<double>(bytes);
  state.counters["kept"] = static_cast<double>(text_bytes) / static_cast<double>(bytes);
}

/// Pages of `corpus` one after the other until `size` is reached.
std::string page_of_size(const Corpus& corpus, int64_t size) {
  std::string page;
  for (size_t i = 0; page.size() < static_cast<size_t>(size); ++i)
    page += corpus.pages[i % corpus.pages.size()] + "\n\n";
  page.resize(static_cast<size_t>(size));
  return page;
}

void register_size(const std::string& name, int64_t size, const std::function<std::string()>& make,
                   const std::string& language) {
  benchmark::RegisterBenchmark(
      (name + "/" + std::to_string(size / kKiB) + "KiB").c_str(),
      [make, language](benchmark::State& state) { clean_pages(state, {make()}, language); })
      ->Unit(benchmark::kMillisecond);
}

void register_all() {
  static const std::vector<Corpus> kCorpora = corpora();
  for (const Corpus& corpus : kCorpora) {
    benchmark::RegisterBenchmark(("dump/" + corpus.name).c_str(), [&corpus](benchmark::State& state) {
      clean_pages(state, corpus.pages, corpus.language);
    })->Unit(benchmark::kMillisecond);
  }
  for (int64_t size = kKiB; size <= 64 * kMiB; size *= 16) {
    register_size(
        "ordinary", size, [size] { return page_of_size(kCorpora.front(), size); }, "en");
  }
  register_size(
      "ordinary", 64 * kMiB, [] { return page_of_size(kCorpora.front(), 64 * kMiB); }, "en");
  for (const HostilePattern& pattern : hostile_patterns()) {
    for (const int64_t size : {kKiB, kMiB, 64 * kMiB}) {
      register_size(
          "hostile/" + std::string(pattern.name), size,
          [&pattern, size] { return hostile_page(pattern, static_cast<size_t>(size)); }, "zh");
    }
  }
}

}  // namespace
}  // namespace pretrain::test

int main(int argc, char** argv) {
  pretrain::test::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
