// SPDX-License-Identifier: Apache-2.0
// Holds the wikitext cleaner to its promises on arbitrary pages. The first byte picks the wiki.

#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

#include "libs/wikitext/cleaner.h"
#include "pipeline/corpus/utf8.h"

namespace {

using pretrain::WikiSite;
using pretrain::WikitextCleaner;

/// Stops at the call, so that libFuzzer keeps the page.
void demand(bool holds) {
  if (!holds) std::abort();
}

bool is_valid(std::string text) {
  return pretrain::repair_utf8(text) == 0;
}

WikitextCleaner& cleaner_of(uint8_t choice) {
  static WikitextCleaner cleaners[] = {
      WikitextCleaner(WikiSite{.language = "en", .namespaces = {}}),
      WikitextCleaner(WikiSite{.language = "zh", .namespaces = {{6, "文件"}, {14, "分类"}}}),
      WikitextCleaner(WikiSite{.language = "fr", .namespaces = {}}),
      WikitextCleaner(WikiSite{}),
  };
  return cleaners[choice % std::size(cleaners)];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view page(reinterpret_cast<const char*>(data) + 1, size - 1);
  WikitextCleaner& cleaner = cleaner_of(data[0]);
  const uint64_t examined = cleaner.examined_bytes();
  std::string text;
  cleaner.clean(page, text);
  demand(text.size() <= 4 * page.size() + 64);
  demand(cleaner.examined_bytes() - examined <= 64 * page.size() + 1024);
  if (is_valid(std::string(page))) demand(is_valid(text));
  cleaner.is_redirect(page);
  cleaner.is_disambiguation(page);
  return 0;
}
