// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/cleaner.h"

#include "libs/wikitext/scanner.h"
#include "libs/wikitext/site_words.h"

namespace pretrain {

class WikitextCleaner::Tables {
 public:
  Tables(const WikiSite& site, std::shared_ptr<const wikitext::TemplateRules> rules)
      : words_(site, std::move(rules)) {}
  const wikitext::SiteWords& words() const { return words_; }

 private:
  wikitext::SiteWords words_;
};

WikitextCleaner::WikitextCleaner(const WikiSite& site, std::shared_ptr<const wikitext::TemplateRules> rules)
    : tables_(std::make_unique<Tables>(site, std::move(rules))) {}
WikitextCleaner::~WikitextCleaner() = default;

void WikitextCleaner::clean(std::string_view wikitext, std::string& text, std::string_view title) {
  wikitext::MarkupScanner scanner(tables_->words(), title, wikitext, text);
  if (lost_) scanner.report_lost(lost_);
  scanner.run();
  examined_bytes_ += scanner.work();
}

bool WikitextCleaner::is_redirect(std::string_view wikitext) const {
  return tables_->words().is_redirect(wikitext);
}

bool WikitextCleaner::is_disambiguation(std::string_view wikitext) const {
  return tables_->words().is_disambiguation(wikitext);
}

}  // namespace pretrain
