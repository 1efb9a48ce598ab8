// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether a sentence lost a word where a template was dropped of which nothing is known, or only a note. Decided by
// the text around it, since a note stands behind its word and a word between others. Thread-safe: pure functions.

#include <string_view>

namespace pretrain::wikitext {

/// Where a template was dropped.
struct Gap {
  std::string_view before;    ///< cleaned text of the line before it
  std::string_view after;     ///< wikitext after it
  std::string_view language;  ///< of the wiki; "" counts as English
  bool valued = false;        ///< the template has a value, as those of words have and few notes
  bool prose = false;         ///< the line is no item of a list, where a flag may stand before a link
};

/// Whether words are missing: a preposition, article, conjunction or particle is left without its noun, an ending without
/// its stem, an unpaired quotation; or the template has a value and stands between spaces as a word does.
bool misses_words(const Gap& gap);

}  // namespace pretrain::wikitext
