// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/site_words.h"

#include <algorithm>
#include <array>

#include "libs/wikitext/site_names.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

// Numbers of namespaces, the same on all wikis.
constexpr int kFile = 6;
constexpr int kTemplate = 10;
constexpr int kCategory = 14;

// Source: MediaWiki, the converters in includes/language/converters.
constexpr std::string_view kWithVariants[] = {"ban", "crh", "gan", "iu",  "kk", "ku",  "mni", "sh",
                                              "shi", "sr",  "tg",  "tly", "uz", "wuu", "zgh", "zh"};

void sort_names(std::vector<std::string>& names) {
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

bool holds(const std::vector<std::string>& names, std::string_view name) {
  const auto found = std::ranges::lower_bound(names, name, std::less<>());
  return found != names.end() && *found == name;
}

/// "zh-yue" and "simple" use the rules of the language they are written in.
std::string base_language(std::string_view language) {
  if (language == "simple") return "en";
  return fold_name(language.substr(0, language.find('-')));
}

/// The name of the template at the start of `text`, up to the first `|`, `}` or other end of a name.
std::string_view template_name(std::string_view text) {
  static constexpr ByteSet kEnds("|{}<[\n");
  constexpr size_t kLongest = 80;
  text = text.substr(0, kLongest);
  return text.substr(0, kEnds.find(text, 0));
}

/// Whether the page says something outside of its lists, as an article on a surname does: two sentences or more.
bool has_prose(std::string_view page) {
  constexpr size_t kLeastBytes = 120;
  constexpr std::string_view kNoProse = "*#:;|!{}=[<";
  size_t bytes = 0;
  size_t stops = 0;
  while (!page.empty()) {
    const std::string_view line = page.substr(0, page.find('\n'));
    page.remove_prefix(std::min(line.size() + 1, page.size()));
    if (line.empty() || kNoProse.find(line.front()) != std::string_view::npos) continue;
    bytes += line.size();
    for (size_t at = 0; at < line.size(); ++at) {
      const bool ends =
          line[at] == '.' && (at + 1 == line.size() || line[at + 1] == ' ' || line[at + 1] == '<');
      stops += ends || line.substr(at).starts_with("。") || line.substr(at).starts_with("।") ? 1 : 0;
    }
  }
  return bytes >= kLeastBytes && stops >= 2;
}

}  // namespace

SiteWords::SiteWords(const WikiSite& site, const std::shared_ptr<const TemplateRules>& rules)
    : language_(base_language(site.language)) {
  has_variants_ = std::ranges::find(kWithVariants, language_) != std::end(kWithVariants);
  const std::string code = fold_name(site.language);
  add_namespaces(site, code);
  for (std::vector<std::string>* names : {&file_names_, &category_names_, &template_names_, &redirects_}) {
    sort_names(*names);
  }
  templates_ = TemplateTable::of(site_names().wiki_of(code), language_, rules);
}

/// For an unknown language, the names of all wikis.
void SiteWords::add_namespaces(const WikiSite& site, std::string_view code) {
  for (const auto& [number, name] : site.namespaces) {
    if (number == kFile) file_names_.push_back(fold_name(name));
    if (number == kCategory) category_names_.push_back(fold_name(name));
    if (number == kTemplate) template_names_.push_back(fold_name(name));
  }
  const std::pair<std::string_view, std::vector<std::string>*> lists[] = {{"file", &file_names_},
                                                                          {"category", &category_names_},
                                                                          {"template", &template_names_},
                                                                          {"redirect", &redirects_}};
  for (const auto& [key, list] : lists) {
    std::vector<std::string>& names = *list;
    site_names().for_each(key, code, language_,
                          [&](std::string_view name) { names.push_back(fold_name(name)); });
    names.emplace_back(key);
  }
  file_names_.emplace_back("image");
}

LinkKind SiteWords::link_kind(std::string_view target) const {
  constexpr size_t kLongestNamespace = 60;
  const size_t colon = target.substr(0, kLongestNamespace).find(':');
  if (colon == std::string_view::npos) return LinkKind::kArticle;
  const std::string name = fold_name(target.substr(0, colon));
  if (holds(file_names_, name)) return LinkKind::kFile;
  if (holds(category_names_, name)) return LinkKind::kCategory;
  return site_names().is_code(name) ? LinkKind::kLanguage : LinkKind::kArticle;
}

std::string_view SiteWords::without_template_namespace(std::string_view name) const {
  const size_t colon = name.find(':');
  if (colon == std::string_view::npos || !holds(template_names_, fold_name(name.substr(0, colon))))
    return name;
  return trim(name.substr(colon + 1));
}

bool SiteWords::is_switch(std::string_view word) const {
  constexpr size_t kMarks = 2;
  if (word.size() <= 2 * kMarks) return false;
  return site_names().is_switch(word.substr(kMarks, word.size() - 2 * kMarks));
}

bool SiteWords::is_redirect(std::string_view page) const {
  if (page.starts_with("\xEF\xBB\xBF")) page.remove_prefix(3);
  page = page.substr(std::min(page.find_first_not_of(" \t\r\n"), page.size()));
  const size_t mark = page.starts_with('#') ? 1 : page.starts_with("＃") ? 3 : 0;
  if (mark == 0) return false;
  constexpr size_t kLongestWord = 64;
  const std::string_view head = page.substr(mark, kLongestWord);
  const size_t end = head.find_first_of(":[\n");
  if (end == std::string_view::npos || !holds(redirects_, fold_name(head.substr(0, end)))) return false;
  const std::string_view rest = page.substr(mark + end);
  return rest.substr(std::min(rest.find_first_not_of(": \t\r\n"), rest.size())).starts_with("[[");
}

bool SiteWords::is_disambiguation(std::string_view page) const {
  if (page.find("__DISAMBIG__") != std::string_view::npos) return true;
  std::string_view before;  // many templates of a page follow another of the same name
  for (size_t at = page.find("{{"); at != std::string_view::npos; at = page.find("{{", at + 2)) {
    const std::string_view written = template_name(page.substr(at + 2));
    if (written == before) continue;
    before = written;
    const TemplateRule* rule = templates_->find(without_template_namespace(written));
    if (rule != nullptr && rule->disambiguation) return !has_prose(page);
  }
  return false;
}

}  // namespace pretrain::wikitext
