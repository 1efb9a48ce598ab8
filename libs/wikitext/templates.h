// SPDX-License-Identifier: Apache-2.0
#pragma once
// The templates with text, and the text of each. The scanner drops all others. Thread-safe: pure functions.

#include <cstdint>
#include <string>
#include <string_view>

#include "libs/wikitext/template_arguments.h"

namespace pretrain::wikitext {

enum class TemplateKind : uint8_t {
  kPattern,       ///< text with places for arguments, see TemplateEntry::detail
  kConvert,       ///< {{convert|5|km|mi}}: a quantity, without its conversion
  kShortConvert,  ///< {{cvt}}: with the unit's symbol
  kNumber,        ///< {{formatnum:1234567}}
  kValue,         ///< {{val|1.5|0.2|e=6|ul=m}}
  kFraction,      ///< {{frac|3|1|2}}
  kDate,          ///< {{birth date|1990|1|2}}: year, month, day
  kAsOf,
  kOrdinal,
  kCentury,
  kLanguageText,  ///< {{lang-de|Wort}}, {{langx|de|Wort}}; the code is in the name or comes first
  kHeight,        ///< {{height|ft=6|in=1}}
  kShip,          ///< {{HMS|Victory|1765|6}}; detail is the prefix or ""
  kFormula,       ///< {{chem2|H2O}}
  kRaised,        ///< superscript, after the text in detail
};

struct TemplateEntry {
  std::string_view name;  ///< folded (fold_name)
  TemplateKind kind;
  /// In a pattern, `$1` is the first positional argument, `$L` the last, `$*`, `$_` and `$,` all of them
  /// joined by nothing, a space, a comma; `$(a|2|b)` is the first of the named or numbered ones that is not
  /// empty; a part in `{}` is omitted when one of its arguments is empty. A pattern that begins with a line
  /// end is a block, which may hold paragraphs.
  std::string_view detail;
  std::string_view languages;  ///< wikis where the name means this, separated by spaces; "" for all

  bool is_block() const { return kind == TemplateKind::kPattern && detail.starts_with('\n'); }
};

/// The entry of `name` (folded) on a wiki of `language` ("" when unknown); null when the template is dropped.
const TemplateEntry* find_template(std::string_view name, std::string_view language);

/// The text of a call of the template `name`, as written; "" for nothing.
std::string expand_template(const TemplateEntry& entry, std::string_view name,
                            const TemplateArguments& arguments, std::string_view language);

/// Entries sorted by name.
struct TemplateTable {
  const TemplateEntry* begin;
  const TemplateEntry* end;
};
TemplateTable common_templates();
TemplateTable local_templates();

}  // namespace pretrain::wikitext
