// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/template_table.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>

#include "libs/wikitext/site_names.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

/// Words in braces that wikis translate; a rule has the English one.
constexpr std::string_view kWords[] = {
    "pagename", "fullpagename", "basepagename", "subpagename", "formatnum:", "lc:",          "lcfirst:",
    "uc:",      "ucfirst:",     "plural:",      "padleft:",    "padright:",  "anchorencode:"};

}  // namespace

/// What is added first counts.
TemplateTable::TemplateTable(std::string_view code, std::string_view language,
                             std::shared_ptr<const TemplateRules> own)
    : own_(std::move(own)) {
  for (const TemplateRules* rules : {own_.get(), &TemplateRules::builtin()}) {
    if (rules == nullptr) continue;
    add_rules(*rules, code.empty() ? "en" : code);
    if (language != code && !language.empty()) add_rules(*rules, language);
    add_rules(*rules, "");
    if (language.empty()) add_disambiguations(*rules);
  }
  add_local_words(code, language);
}

/// Adds the rules for `wiki`; "" adds those for all wikis.
void TemplateTable::add_rules(const TemplateRules& rules, std::string_view wiki) {
  for (const TemplateRule& rule : rules.rules()) {
    const bool wanted =
        wiki.empty() ? rule.wikis.empty() : std::ranges::find(rule.wikis, wiki) != rule.wikis.end();
    if (!wanted) continue;
    for (const std::string& name : rule.names) add(name, rule);
  }
}

/// On an unknown wiki, those of all wikis count.
void TemplateTable::add_disambiguations(const TemplateRules& rules) {
  for (const TemplateRule& rule : rules.rules()) {
    if (!rule.disambiguation) continue;
    for (const std::string& name : rule.names) add(name, rule);
  }
}

void TemplateTable::add(std::string_view name, const TemplateRule& rule) {
  if (is_family(name)) {
    families_.push_back({name, &rule});
  } else {
    rules_.try_emplace(name, &rule);
  }
}

void TemplateTable::add_local_words(std::string_view code, std::string_view language) {
  for (const std::string_view word : kWords) {
    const TemplateRule* rule = find(word);
    if (rule == nullptr) continue;
    const bool function = word.ends_with(':');
    const std::string_view key = word.substr(0, word.size() - (function ? 1 : 0));
    site_names().for_each(key, code, language, [&](std::string_view local) {
      words_.push_back(fold_name(local) + (function ? ":" : ""));
      rules_.try_emplace(words_.back(), rule);
    });
  }
}

const TemplateRule* TemplateTable::find(std::string_view name) const {
  const auto found = rules_.find(name);
  if (found != rules_.end()) return found->second;
  const auto family =
      std::ranges::find_if(families_, [&](const Family& f) { return is_in_family(f.name, name); });
  return family == families_.end() ? nullptr : family->rule;
}

std::shared_ptr<const TemplateTable> TemplateTable::of(std::string_view code, std::string_view language,
                                                       const std::shared_ptr<const TemplateRules>& own) {
  using Key = std::tuple<std::string, std::string, std::string>;
  static std::mutex mutex;
  static std::map<Key, std::shared_ptr<const TemplateTable>> tables;
  const std::scoped_lock lock(mutex);
  Key key{code, language, own ? own->hash() : ""};
  auto& table = tables[std::move(key)];
  if (table == nullptr) table = std::make_shared<const TemplateTable>(code, language, own);
  return table;
}

}  // namespace pretrain::wikitext
