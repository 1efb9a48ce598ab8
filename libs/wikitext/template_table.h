// SPDX-License-Identifier: Apache-2.0
#pragma once
// The template rules that count on one wiki, by name. Thread-safe once built.

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libs/wikitext/template_rules.h"

namespace pretrain::wikitext {

class TemplateTable {
 public:
  /// `code` is the wiki's, such as "zh-yue", and `language` that of its text; an unknown wiki ("") counts as
  /// English. A user's own rules come before the program's, and rules for this wiki before those for all.
  TemplateTable(std::string_view code, std::string_view language, std::shared_ptr<const TemplateRules> own);

  /// The rule of `name` (folded); null when nothing is known of the template.
  const TemplateRule* find(std::string_view name) const;

  /// A table from a cache, because each part of a dump needs one.
  static std::shared_ptr<const TemplateTable> of(std::string_view code, std::string_view language,
                                                 const std::shared_ptr<const TemplateRules>& own);

 private:
  struct Family {
    std::string_view name;
    const TemplateRule* rule;
  };

  void add_rules(const TemplateRules& rules, std::string_view wiki);
  void add_disambiguations(const TemplateRules& rules);
  void add(std::string_view name, const TemplateRule& rule);
  void add_local_words(std::string_view code, std::string_view language);

  std::shared_ptr<const TemplateRules> own_;
  std::unordered_map<std::string_view, const TemplateRule*> rules_;
  std::vector<Family> families_;
  std::deque<std::string> words_;  ///< local names of the words in braces, such as `nompage`
};

}  // namespace pretrain::wikitext
