// SPDX-License-Identifier: Apache-2.0
#pragma once
// Local names of namespaces and redirects of the largest wikis, from the localisation files of
// MediaWiki. Lists are separated by `|`; all names are folded (fold_name).

#include <span>
#include <string_view>

namespace pretrain::wikitext {

struct LanguageNames {
  std::string_view language;
  std::string_view file;
  std::string_view category;
  std::string_view templates;
  std::string_view redirect;        ///< after the `#`
  std::string_view disambiguation;  ///< templates on pages that list articles of one name
};

std::span<const LanguageNames> language_names();

/// Wiki codes used in links between languages, sorted.
std::span<const std::string_view> wiki_codes();

}  // namespace pretrain::wikitext
