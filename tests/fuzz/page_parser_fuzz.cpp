// SPDX-License-Identifier: Apache-2.0
// Holds what PageParser makes of a page that it gets at once to what expat alone makes of it in pieces.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <tuple>

#include "pipeline/corpus/page_parser.h"
#include "pipeline/corpus/utf8.h"

namespace {

/// Everything that is known of a page after it was fed in pieces of `size` bytes. What expat says of a fault
/// depends on the pieces.
auto parsed(std::string_view bytes, size_t size) {
  static pretrain::PageParser parser;
  parser.begin();
  bool good = true;
  for (size_t at = 0; good && at < bytes.size(); at += size)
    good = parser.feed(bytes.substr(at, size), at + size >= bytes.size());
  const pretrain::Page& page = parser.page();
  if (!good) return std::tuple(false, std::string(), std::string(), -99, false, false, false);
  return std::tuple(true, page.title, page.text, page.name_space.value_or(-99), page.redirects, page.has_text,
                    page.text_deleted);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string page(reinterpret_cast<const char*>(data), size);
  pretrain::repair_utf8(page);
  if (parsed(page, page.size()) != parsed(page, std::max<size_t>(1, page.size() / 2))) std::abort();
  return 0;
}
