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
  ++rank_;
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
  const bool spelled = is_spelled(name);
  if (is_family(name)) {
    families_.push_back({name, &rule, rank_, spelled});
    return;
  }
  if (spelled) words_.push_back(fold_name(name));
  Spellings& spellings = rules_[spelled ? std::string_view(words_.back()) : name];
  const bool known = spelled
                         ? std::ranges::find(spellings.spelled, name, &Entry::name) != spellings.spelled.end()
                         : spellings.any != nullptr;
  if (known) return;
  const Entry* entry = &entries_.emplace_back(Entry{name, &rule, rank_, spelled});
  if (spelled) {
    spellings.spelled.push_back(entry);
  } else {
    spellings.any = entry;
  }
}

/// A rule for the very spelling counts before one for any case, unless that one comes from a place that counts more.
const TemplateTable::Entry* TemplateTable::spelled_as(const Spellings& spellings, std::string_view name) {
  if (spellings.spelled.empty()) return spellings.any;
  const auto found = std::ranges::find(spellings.spelled, page_name(name), &Entry::name);
  if (found == spellings.spelled.end()) return spellings.any;
  return spellings.any == nullptr || (*found)->rank <= spellings.any->rank ? *found : spellings.any;
}

void TemplateTable::add_local_words(std::string_view code, std::string_view language) {
  for (const std::string_view word : kWords) {
    const TemplateRule* rule = find(word);
    if (rule == nullptr) continue;
    const bool function = word.ends_with(':');
    const std::string_view key = word.substr(0, word.size() - (function ? 1 : 0));
    site_names().for_each(key, code, language, [&](std::string_view local) {
      words_.push_back(fold_name(local) + (function ? ":" : ""));
      add(words_.back(), *rule);
    });
  }
}

const TemplateRule* TemplateTable::find(std::string_view name) const {
  const std::string folded = fold_name(name);
  const auto found = rules_.find(folded);
  const Entry* entry = found == rules_.end() ? nullptr : spelled_as(found->second, name);
  if (entry != nullptr) return entry->rule;
  const auto family = std::ranges::find_if(families_, [&](const Entry& f) {
    return f.spelled ? is_in_family(f.name, page_name(name)) : is_in_family(f.name, folded);
  });
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
