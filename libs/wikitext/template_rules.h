// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files of template rules: which templates show text, and what. RULES.md describes the form of such a file. The
// program's own rules are template_rules.txt; a user's file comes before them. Thread-safe once read.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/wikitext/template_pattern.h"

namespace pretrain::wikitext {

struct TemplateRule {
  std::vector<std::string>
      names;  ///< as page_name() has them; with `*`, `<n>` or `<roman>` a family of names
  std::vector<std::string> wikis;  ///< codes such as "fr"; empty for all
  TemplatePattern pattern;         ///< empty: the template shows nothing
  bool elsewhere = false;       ///< it shows what the page does not hold, so that its sentence goes with it
  bool disambiguation = false;  ///< the template marks a page that lists articles of one name
  size_t line = 0;              ///< in its file, from 1
};

/// A mistake and its place.
struct RuleFileFault {
  size_t line;
  RuleFault fault;
};

class TemplateRules {
 public:
  /// Reads a file of rules and appends its mistakes to `faults`; wrong rules are left out.
  static TemplateRules read(std::string_view text, std::vector<RuleFileFault>& faults);

  /// The program's own rules.
  static const TemplateRules& builtin();

  const std::vector<TemplateRule>& rules() const { return rules_; }
  /// Of the text, as it was read (hash64 in hexadecimal digits).
  const std::string& hash() const { return hash_; }

 private:
  std::vector<TemplateRule> rules_;
  std::string hash_;
};

/// Rules of a user's file; `name` is the file's, for messages.
/// Errors: kUsage with the line, the problem and the remedy of the first mistake.
std::shared_ptr<const TemplateRules> parse_template_rules(std::string_view text, std::string_view name);

/// Whether a name of a rule has a capital behind its first letter, so that it is compared as MediaWiki does. Others
/// fit in any case, because wikis redirect the usual spellings.
bool is_spelled(std::string_view name);
/// Whether `name` (folded, or as page_name() has it for a spelled family) is one of the family: `*` means some text, `<n>` for a number, `<roman>` for a
/// Roman number.
bool is_in_family(std::string_view family, std::string_view name);
/// Whether a name of a rule is a family.
bool is_family(std::string_view name);

}  // namespace pretrain::wikitext
