// SPDX-License-Identifier: Apache-2.0
#pragma once
// The template rules that count on one wiki, by name. Thread-safe once built.

#include <cstddef>
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

  /// The rule of the template that a page calls by `name`; null when nothing is known of it.
  const TemplateRule* find(std::string_view name) const;

  /// A table from a cache, because each part of a dump needs one.
  static std::shared_ptr<const TemplateTable> of(std::string_view code, std::string_view language,
                                                 const std::shared_ptr<const TemplateRules>& own);

 private:
  struct Entry {
    std::string_view name;  ///< as the rule has it
    const TemplateRule* rule;
    size_t rank;
    bool spelled;
  };
  struct Spellings {
    const Entry* any = nullptr;         ///< in whichever case
    std::vector<const Entry*> spelled;  ///< in one
  };

  static const Entry* spelled_as(const Spellings& spellings, std::string_view name);
  void add_rules(const TemplateRules& rules, std::string_view wiki);
  void add_disambiguations(const TemplateRules& rules);
  void add(std::string_view name, const TemplateRule& rule);
  void add_local_words(std::string_view code, std::string_view language);

  std::shared_ptr<const TemplateRules> own_;
  std::unordered_map<std::string_view, Spellings> rules_;  ///< by folded name
  std::deque<Entry> entries_;
  std::vector<Entry> families_;
  std::deque<std::string>
      words_;        ///< folded names, local ones of the words in braces, such as `nompage`, too
  size_t rank_ = 0;  ///< of the rules that are added now: smaller ones count first
};

}  // namespace pretrain::wikitext
