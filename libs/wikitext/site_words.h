// SPDX-License-Identifier: Apache-2.0
#pragma once
// The words of one wiki: names of its namespaces, redirects and switches. They come from the dump's siteinfo,
// the English names that every wiki understands, and what MediaWiki reports (site_names.h). Thread-safe once built.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/wikitext/template_table.h"
#include "libs/wikitext/wiki_site.h"

namespace pretrain::wikitext {

enum class LinkKind : uint8_t {
  kArticle,   ///< its label is text
  kFile,      ///< dropped with its caption
  kCategory,  ///< dropped
  kLanguage,  ///< a link to another language's wiki: dropped
};

class SiteWords {
 public:
  /// `rules` are a user's own for templates; null for none.
  SiteWords(const WikiSite& site, const std::shared_ptr<const TemplateRules>& rules);

  /// The kind of a link to `target`, from the name before its first colon.
  LinkKind link_kind(std::string_view target) const;
  /// `name` without the namespace of templates, if it has one.
  std::string_view without_template_namespace(std::string_view name) const;
  /// Whether `word`, with its underscores, is a behaviour switch such as `__NOTOC__`.
  bool is_switch(std::string_view word) const;

  bool is_redirect(std::string_view page) const;
  bool is_disambiguation(std::string_view page) const;

  /// "en", "zh", ... without a variant: "simple" is "en" here; "" when unknown.
  const std::string& language() const { return language_; }
  const TemplateTable& templates() const { return *templates_; }
  /// Whether the wiki converts between scripts with `-{...}-`.
  bool has_variants() const { return has_variants_; }

 private:
  void add_namespaces(const WikiSite& site, std::string_view code);

  std::string language_;
  bool has_variants_ = false;
  std::vector<std::string> file_names_;  // all folded and sorted
  std::vector<std::string> category_names_;
  std::vector<std::string> template_names_;
  std::vector<std::string> redirects_;
  std::shared_ptr<const TemplateTable> templates_;
};

}  // namespace pretrain::wikitext
