// SPDX-License-Identifier: Apache-2.0
// Prints the cleaned pages of a dump as `<doc id="..." title="...">` blocks, for comparisons: clean_dump FILE
// LANGUAGE

#include <cstdio>

#include "tests/libs/wikitext/cleaner_testing.h"
#include "tests/libs/wikitext/dump_pages.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: clean_dump FILE LANGUAGE\n", stderr);
    return 2;
  }
  pretrain::WikitextCleaner cleaner(pretrain::WikiSite{.language = argv[2], .namespaces = {}});
  for (const auto& page : pretrain::test::pages_of_dump(argv[1])) {
    if (page.space != "0" || page.redirect || cleaner.is_redirect(page.wikitext)) continue;
    std::string text;
    cleaner.clean(page.wikitext, text);
    std::printf("<doc id=\"%s\" title=\"%s\">\n%s\n</doc>\n", page.id.c_str(), page.title.c_str(),
                text.c_str());
  }
}
