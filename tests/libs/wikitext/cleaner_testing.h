// SPDX-License-Identifier: Apache-2.0
#pragma once
// Cleans a page in one call.

#include <string>
#include <string_view>

#include "libs/wikitext/cleaner.h"

namespace pretrain::test {

inline std::string cleaned(std::string_view wikitext, const std::string& language = "en") {
  WikitextCleaner cleaner(WikiSite{.language = language, .namespaces = {}});
  std::string text;
  cleaner.clean(wikitext, text);
  return text;
}

}  // namespace pretrain::test
