// SPDX-License-Identifier: Apache-2.0
#pragma once
// English names of languages, as written before a foreign word in a text. Thread-safe: a pure function.

#include <string_view>

namespace pretrain::wikitext {

/// "" when the code is not listed.
std::string_view language_label(std::string_view code);

/// "français" of "fr", as MediaWiki names a language in itself; "" when the code is not listed.
std::string_view own_language_name(std::string_view code);

}  // namespace pretrain::wikitext
