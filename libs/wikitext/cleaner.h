// SPDX-License-Identifier: Apache-2.0
#pragma once
// Converts wikitext, the markup of MediaWiki pages, to plain text for a language model. One pass with an
// explicit stack of limited depth; the time is linear in the size of any page. Single-owner; one cleaner
// serves any number of pages of its wiki.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "libs/wikitext/lost_template.h"
#include "libs/wikitext/wiki_site.h"

namespace pretrain {

namespace wikitext {
class TemplateRules;
}

class WikitextCleaner {
 public:
  /// `rules` are a user's own, which come before the program's; null for none.
  explicit WikitextCleaner(const WikiSite& site,
                           std::shared_ptr<const wikitext::TemplateRules> rules = nullptr);
  ~WikitextCleaner();

  /// Appends the text of a page to `text`, without its title. Any bytes are a valid page. `title` is what
  /// `{{PAGENAME}}` shows, nothing when it is not known.
  void clean(std::string_view wikitext, std::string& text, std::string_view title = "");

  /// Calls `sink` from then on with each template that is lost from running text because no rule knows it.
  void report_lost(wikitext::LostTemplateSink sink) { lost_ = std::move(sink); }

  /// Whether the page is a redirect: it begins with a redirect word of its wiki and a link.
  bool is_redirect(std::string_view wikitext) const;
  /// Whether the page lists articles of one name: it has a disambiguation template of its wiki.
  bool is_disambiguation(std::string_view wikitext) const;

  /// Bytes of wikitext and text that cleaning has read or moved so far: its cost, independent of the machine.
  /// At least the size of the pages, at most a small multiple of it.
  uint64_t examined_bytes() const { return examined_bytes_; }

 private:
  class Tables;
  std::unique_ptr<const Tables> tables_;
  wikitext::LostTemplateSink lost_;
  uint64_t examined_bytes_ = 0;
};

}  // namespace pretrain
