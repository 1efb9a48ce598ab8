// SPDX-License-Identifier: Apache-2.0
#pragma once
// Units of measurement that {{convert}} knows.

#include <string_view>

namespace pretrain::wikitext {

struct Unit {
  std::string_view code;  ///< folded (fold_name)
  std::string_view symbol;
  std::string_view singular;
  std::string_view plural;
};

/// Null when `code` is unknown.
const Unit* find_unit(std::string_view code);

/// What the wiki of `language` writes for a unit, with the space before it if it has one; "" where it is the symbol.
std::string_view local_unit(std::string_view symbol, std::string_view language);

}  // namespace pretrain::wikitext
