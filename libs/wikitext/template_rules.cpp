// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/template_rules.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "libs/base/error.h"
#include "libs/base/hash.h"
#include "libs/wikitext/embedded_data.h"
#include "libs/wikitext/number_format.h"
#include "libs/wikitext/site_names.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

constexpr size_t npos = std::string_view::npos;
constexpr std::string_view kArrow = "->";

constexpr std::string_view kNumberMark = "<n>";
constexpr std::string_view kRomanMark = "<roman>";

/// What cannot be in the name of a page, and so not in that of a template.
bool may_be_name(std::string_view name) {
  std::string plain(name);
  for (const std::string_view mark : {kNumberMark, kRomanMark}) {
    for (size_t at = plain.find(mark); at != npos; at = plain.find(mark)) plain.erase(at, mark.size());
  }
  return plain.find_first_of("{}[]<>|\t") == npos;
}

std::vector<std::string_view> split(std::string_view text, char mark) {
  std::vector<std::string_view> pieces;
  for (;;) {
    const size_t end = std::min(text.find(mark), text.size());
    if (!trim(text.substr(0, end)).empty()) pieces.push_back(trim(text.substr(0, end)));
    if (end == text.size()) return pieces;
    text.remove_prefix(end + 1);
  }
}

/// A family of names comes to its own end: marks are tried as long as they can be.
size_t family_mark(std::string_view family) {
  for (const std::string_view mark : {kNumberMark, kRomanMark}) {
    if (family.starts_with(mark)) return mark.size();
  }
  return family.starts_with('*') ? 1 : 0;
}

/// One of the letters c, d, l and m alone is more often another name.
bool is_roman_mark(std::string_view text) {
  return is_roman_number(text) && (text.size() > 1 || text == "i" || text == "v" || text == "x");
}

bool fits_mark(std::string_view mark, std::string_view text) {
  if (text.empty()) return false;
  if (mark == kNumberMark) return std::ranges::all_of(text, is_digit);
  if (mark == kRomanMark) return is_roman_mark(fold_name(text));
  return true;
}

/// Reads the lines of a file. Names are not checked with null `faults`.
class RuleReader {
 public:
  explicit RuleReader(std::vector<RuleFileFault>* faults) : faults_(faults) {}

  std::vector<TemplateRule> read(std::string_view text) {
    for (size_t number = 1; !text.empty(); ++number) {
      const size_t end = std::min(text.find('\n'), text.size());
      add_line(trim(text.substr(0, end)), number);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (!pending_.empty())
      fault("the last line ends with a bar", "add the names after it, or remove the bar");
    return std::move(rules_);
  }

 private:
  void fault(std::string problem, std::string remedy) { note({std::move(problem), std::move(remedy)}); }
  void note(RuleFault fault) {
    if (faults_ != nullptr) faults_->push_back({line_, std::move(fault)});
  }

  /// A line that ends with a bar continues on the next.
  void add_line(std::string_view line, size_t number) {
    if (pending_.empty()) line_ = number;
    if (line.starts_with('#') || (line.empty() && pending_.empty())) return;
    pending_ += line;
    if (line.ends_with('|') && !line.ends_with("\\|")) return;
    const std::string whole = std::exchange(pending_, "");
    statement(whole);
  }

  void statement(std::string_view text) {
    if (text.starts_with("wikis:")) return set_wikis(text.substr(6));
    if (text.starts_with("list ")) return add_list(text.substr(5));
    if (text.starts_with("nothing:")) return add_rule(text.substr(8), {});
    if (text.starts_with("elsewhere:")) return add_rule(text.substr(10), {.elsewhere = true});
    if (text.starts_with("disambiguation:")) return add_rule(text.substr(15), {.disambiguation = true});
    const size_t arrow = text.find(kArrow);
    if (arrow == npos) {
      return fault("this is no rule", "write: name | other name -> text with $1, or begin a comment with #");
    }
    const std::string_view pattern = trim(text.substr(arrow + kArrow.size()));
    if (pattern.empty()) return fault("the rule has no text", "write nothing: NAMES if they show nothing");
    TemplateRule rule;
    if (const auto problem = TemplatePattern::compile(pattern, lists_, rule.pattern)) {
      return note(*problem);
    }
    add_rule(text.substr(0, arrow), std::move(rule));
  }

  void set_wikis(std::string_view list) {
    wikis_.clear();
    for (const std::string_view wiki : split(list, ' ')) {
      if (wiki == "all") continue;
      if (!site_names().is_code(wiki)) {
        fault(fmt::format("{} is the code of no Wikipedia", wiki),
              "use the name before .wikipedia.org, or all");
      }
      wikis_.emplace_back(wiki);
    }
    if (split(list, ' ').empty())
      fault("no wiki is named", "write wikis: all, or codes such as wikis: fr it");
  }

  void add_list(std::string_view text) {
    const size_t colon = text.find(':');
    const std::string_view name = trim(text.substr(0, std::min(colon, text.size())));
    if (colon == npos || name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != npos) {
      return fault("the list has no name",
                   "write list NAME: value=text|value=text, with a-z and _ in the name");
    }
    auto [list, added] = lists_.try_emplace(std::string(name));
    if (!added) return fault(fmt::format("the list {} is there already", name), "give it another name");
    const auto problem = TemplatePattern::read_choices(trim(text.substr(colon + 1)), lists_, list->second);
    if (problem) note(*problem);
  }

  void add_rule(std::string_view names, TemplateRule rule) {
    rule.names = names_of(names);
    rule.wikis = wikis_;
    rule.line = line_;
    if (rule.names.empty()) return fault("the rule has no name", "write the names of its templates first");
    rules_.push_back(std::move(rule));
  }

  std::vector<std::string> names_of(std::string_view list) {
    std::vector<std::string> names;
    for (const std::string_view written : split(list, '|')) {
      std::string name = page_name(written);
      if (faults_ == nullptr) {
        names.push_back(std::move(name));
      } else if (!may_be_name(name)) {
        fault(fmt::format("\"{}\" can't be a template, so that it can't match", written),
              "remove the brackets from the name");
      } else {
        note_name(name, written);
        names.push_back(std::move(name));
      }
    }
    if (faults_ == nullptr) return names;
    for (const std::string& name : names) note_spelling(name);
    return names;
  }

  /// A spelling of a name that fits in any case.
  void note_spelling(const std::string& name) {
    if (!is_spelled(name)) return;
    const auto any = seen_.find({fold_name(name), wikis_.empty() ? "" : wikis_.front()});
    if (any == seen_.end() || any->second != line_) return;
    fault(fmt::format("{} is listed twice: in small letters it fits all spellings", fold_name(name)),
          "remove one of the two");
  }

  /// A name has one rule for each wiki, and one for all others.
  void note_name(const std::string& name, std::string_view written) {
    const std::vector<std::string> everywhere{""};
    for (const std::string& wiki : wikis_.empty() ? everywhere : wikis_) {
      const auto [first, added] = seen_.try_emplace({name, wiki}, line_);
      if (added) continue;
      const std::string where = wiki.empty() ? "" : fmt::format(" for {}", wiki);
      fault(fmt::format("{} is listed twice{}; line {} has it, too", written, where, first->second),
            "remove it from one of the two lines");
      return;
    }
  }

  std::vector<RuleFileFault>* faults_;
  std::vector<TemplateRule> rules_;
  std::vector<std::string> wikis_;
  PatternLists lists_;
  std::map<std::pair<std::string, std::string>, size_t> seen_;  ///< line by name and wiki
  std::string pending_;
  size_t line_ = 0;
};

}  // namespace

bool is_spelled(std::string_view name) {
  if (name.empty()) return false;
  const std::string_view rest = name.substr(1);
  const bool plain = std::ranges::all_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (plain) return std::ranges::any_of(rest, [](char c) { return c >= 'A' && c <= 'Z'; });
  return fold_name(name) != name;
}

bool is_family(std::string_view name) {
  const bool star = name.size() > 1 && name.find('*') != npos;
  return star || name.find(kNumberMark) != npos || name.find(kRomanMark) != npos;
}

/// Tries the longest text for each mark first. Families have one or two marks, so that this ends soon.
bool is_in_family(std::string_view family, std::string_view name) {
  while (!family.empty()) {
    const size_t mark = family_mark(family);
    if (mark == 0) {
      if (name.empty() || name.front() != family.front()) return false;
      family.remove_prefix(1);
      name.remove_prefix(1);
      continue;
    }
    for (size_t length = name.size(); length > 0; --length) {
      if (fits_mark(family.substr(0, mark), name.substr(0, length)) &&
          is_in_family(family.substr(mark), name.substr(length)))
        return true;
    }
    return false;
  }
  return name.empty();
}

TemplateRules TemplateRules::read(std::string_view text, std::vector<RuleFileFault>& faults) {
  TemplateRules rules;
  rules.rules_ = RuleReader(&faults).read(text);
  rules.hash_ = hex64(hash64(text));
  return rules;
}

const TemplateRules& TemplateRules::builtin() {
  static const TemplateRules rules = [] {
    TemplateRules read;
    read.rules_ = RuleReader(nullptr).read(template_rules_text());  // a test shows that it has no faults
    read.hash_ = hex64(hash64(template_rules_text()));
    return read;
  }();
  return rules;
}

std::shared_ptr<const TemplateRules> parse_template_rules(std::string_view text, std::string_view name) {
  std::vector<RuleFileFault> faults;
  auto rules = std::make_shared<const TemplateRules>(TemplateRules::read(text, faults));
  if (faults.empty()) return rules;
  const RuleFileFault& first = faults.front();
  const std::string more = faults.size() == 1 ? "" : fmt::format(" ({} more after it)", faults.size() - 1);
  fail(ErrorKind::kUsage, "{}:{}: {}; {}{}", name, first.line, first.fault.problem, first.fault.remedy, more);
}

}  // namespace pretrain::wikitext
