// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/templates.h"

#include <algorithm>

#include "libs/wikitext/language_labels.h"
#include "libs/wikitext/math_text.h"
#include "libs/wikitext/name_table.h"
#include "libs/wikitext/quantities.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

/// Whether the space-separated list contains the language. The empty list means all; an unknown language
/// counts as English.
bool lists(std::string_view languages, std::string_view language) {
  if (languages.empty()) return true;
  if (language.empty()) language = "en";
  for (size_t at = languages.find(language); at != std::string_view::npos;
       at = languages.find(language, at + 1)) {
    const size_t end = at + language.size();
    if ((at == 0 || languages[at - 1] == ' ') && (end == languages.size() || languages[end] == ' '))
      return true;
  }
  return false;
}

/// Families of names, such as `lang-de`.
constexpr TemplateEntry kFamilies[] = {
    {"lang-", TemplateKind::kLanguageText, "", ""},
    {"lang ", TemplateKind::kLanguageText, "", ""},
    {"script/", TemplateKind::kPattern, "$L", ""},
};

NameTable<TemplateEntry> table_of(const TemplateTable& entries) {
  return NameTable<TemplateEntry>({entries.begin, entries.end});
}

// ---- patterns

/// Expands a pattern. It only recurses on patterns of the table, which nest two deep.
class PatternText {
 public:
  PatternText(std::string_view pattern, const TemplateArguments& arguments)
      : pattern_(pattern), arguments_(arguments) {}

  std::string text() { return part('\0'); }

 private:
  /// Expands up to `end`; "" for a part in braces with an empty argument.
  std::string part(char end) {
    std::string result;
    bool complete = true;
    while (at_ < pattern_.size() && pattern_[at_] != end) {
      const char byte = pattern_[at_++];
      if (byte == '{') {
        result += part('}');
      } else if (byte == '$' && at_ < pattern_.size()) {
        const std::string argument = variable();
        complete = complete && !argument.empty();
        result += argument;
      } else {
        result += byte;
      }
    }
    ++at_;
    return complete || end == '\0' ? result : "";
  }

  /// Expands a variable after '$'; TemplateEntry::detail lists them. Anything else is a literal '$'.
  std::string variable() {
    const char name = pattern_[at_++];
    if (is_digit(name)) return std::string(arguments_.positional(static_cast<size_t>(name - '0')));
    switch (name) {
      case 'L':
        return std::string(arguments_.last());
      case '*':
        return joined("");
      case '_':
        return joined(" ");
      case ',':
        return joined(", ");
      case '(':
        return first_of_list();
      default:
        --at_;
        return "$";
    }
  }

  std::string joined(std::string_view mark) const {
    std::string result;
    for (size_t i = 1; i <= arguments_.count(); ++i) {
      if (arguments_.positional(i).empty()) continue;
      if (!result.empty()) result += mark;
      result += arguments_.positional(i);
    }
    return result;
  }

  /// `$(a|2|b)`: the first of these arguments that is not empty.
  std::string first_of_list() {
    const size_t end = pattern_.find(')', at_);
    std::string_view found;
    while (at_ < end) {
      const size_t stop = std::min(pattern_.find('|', at_), end);
      const std::string_view name = pattern_.substr(at_, stop - at_);
      if (found.empty()) {
        found = is_digit(name.front()) ? arguments_.positional(static_cast<size_t>(name.front() - '0'))
                                       : arguments_.named(name);
      }
      at_ = stop + 1;
    }
    at_ = end + 1;
    return std::string(found);
  }

  std::string_view pattern_;
  const TemplateArguments& arguments_;
  size_t at_ = 0;
};

// ---- the other kinds

bool is_set(std::string_view value) {
  return value == "y" || value == "yes" || value == "on" || value == "1" || value == "true";
}

std::string as_of_text(const TemplateArguments& arguments, std::string_view language) {
  if (!arguments.named("alt").empty()) return std::string(arguments.named("alt"));
  const bool american = fold_name(arguments.named("df")) == "us";
  const std::string date = date_text(arguments, language, !american);
  if (language != "en" || date.empty()) return date;
  const bool since = is_set(arguments.named("since"));
  const bool small = is_set(arguments.named("lc"));
  const std::string_view start = since ? (small ? "since " : "Since ") : (small ? "as of " : "As of ");
  return concat({start, date});
}

std::string height_text(const TemplateArguments& arguments) {
  std::string result;
  for (const std::string_view unit : {"ft", "in", "m", "cm"}) {
    if (arguments.named(unit).empty()) continue;
    if (!result.empty()) result += ' ';
    result += concat({arguments.named(unit), " ", unit});
  }
  return result;
}

/// Prefix, name and identification; a digit as the last argument selects some of them.
std::string ship_text(std::string_view prefix, const TemplateArguments& arguments) {
  const size_t first = prefix.empty() ? 2 : 1;
  if (prefix.empty()) prefix = arguments.positional(1);
  const std::string name(arguments.positional(first));
  const std::string id(arguments.positional(first + 1));
  const std::string_view form = arguments.positional(first + 2);
  const std::string full = prefix.empty() ? name : concat({prefix, " ", name});
  if (form == "1") return id;
  if (form == "5" || form == "6") return name;
  if (form == "2" || id.empty()) return full;
  return concat({form == "3" ? name : full, " (", id, ")"});
}

/// "de" of "lang-de", "" of "langx".
std::string_view code_in_name(std::string_view name) {
  const size_t hyphen = name.find_first_of("- ");
  return hyphen == std::string_view::npos || name.ends_with("-x") ? "" : name.substr(hyphen + 1);
}

std::string language_text(std::string_view code, const TemplateArguments& arguments,
                          std::string_view language) {
  const size_t first = code.empty() ? 2 : 1;
  if (code.empty()) code = arguments.positional(1);
  const std::string text(arguments.positional(first));
  const std::string_view label = arguments.named("label");
  const std::string_view name = language == "en" && label != "none" ? language_label(code) : "";
  return name.empty() || text.empty() ? text : concat({name, ": ", text});
}

std::string raised_or_plain(std::string_view before, std::string_view text) {
  const std::string raised = raised_text(text);
  return concat({before, raised.empty() ? text : raised});
}

std::string formula_text(std::string_view tex) {
  std::string text;
  return append_formula(tex, text) ? text : std::string(tex);
}

std::string century_text(const TemplateArguments& arguments, std::string_view language) {
  const std::string_view number = arguments.positional(1);
  return language == "en" ? concat({ordinal_text(number), " century"}) : std::string(number);
}

}  // namespace

const TemplateEntry* find_template(std::string_view name, std::string_view language) {
  static const NameTable<TemplateEntry> kTables[] = {table_of(local_templates()),
                                                     table_of(common_templates())};
  for (const NameTable<TemplateEntry>& table : kTables) {
    for (const TemplateEntry& entry : table.find(name)) {
      if (lists(entry.languages, language)) return &entry;
    }
  }
  for (const TemplateEntry& family : kFamilies) {
    if (name.starts_with(family.name)) return &family;
  }
  return nullptr;
}

std::string expand_template(const TemplateEntry& entry, std::string_view name,
                            const TemplateArguments& arguments, std::string_view language) {
  const std::string_view first = arguments.positional(1);
  switch (entry.kind) {
    case TemplateKind::kPattern:
      return PatternText(entry.detail, arguments).text();
    case TemplateKind::kConvert:
      return convert_text(arguments, language, false);
    case TemplateKind::kShortConvert:
      return convert_text(arguments, language, true);
    case TemplateKind::kNumber:
      return group_digits(first, language);
    case TemplateKind::kValue:
      return value_text(arguments, language);
    case TemplateKind::kFraction:
      return fraction_text(arguments);
    case TemplateKind::kDate:
      return date_text(arguments, language, is_set(arguments.named("df")));
    case TemplateKind::kAsOf:
      return as_of_text(arguments, language);
    case TemplateKind::kOrdinal:
      return ordinal_text(first);
    case TemplateKind::kCentury:
      return century_text(arguments, language);
    case TemplateKind::kLanguageText:
      return language_text(code_in_name(name), arguments, language);
    case TemplateKind::kHeight:
      return height_text(arguments);
    case TemplateKind::kShip:
      return ship_text(entry.detail, arguments);
    case TemplateKind::kFormula:
      return formula_text(first);
    case TemplateKind::kRaised:
      return raised_or_plain(entry.detail, first);
  }
  return "";
}

}  // namespace pretrain::wikitext
