#pragma once
// Wikitext, the markup of MediaWiki pages, to plain text for a language model: one pass, an explicit stack
// with a depth limit, time linear in the size of the page whatever it holds. Single-owner; one cleaner serves
// any number of pages of its wiki.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/corpus/wikitext/wiki_site.h"

namespace pretrain {

class WikitextCleaner {
 public:
  explicit WikitextCleaner(const WikiSite& site);
  ~WikitextCleaner();

  /// Appends the running text of a page to `text`, without its title.
  /// Errors: none; any bytes are a page.
  void clean(std::string_view wikitext, std::string& text);

  /// Whether the page only sends readers on: it begins with a redirect word of its wiki and a link.
  bool is_redirect(std::string_view wikitext) const;
  /// Whether the page lists articles of one name: it holds a disambiguation template of its wiki.
  bool is_disambiguation(std::string_view wikitext) const;

  /// Bytes of wikitext and of text that cleaning has looked at or moved so far: the cost in a unit that does
  /// not depend on the machine. At least the bytes of the pages, at most a small multiple of them.
  uint64_t examined_bytes() const { return examined_bytes_; }

 private:
  class Tables;
  std::unique_ptr<const Tables> tables_;
  uint64_t examined_bytes_ = 0;
};

}  // namespace pretrain
