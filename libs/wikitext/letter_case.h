// SPDX-License-Identifier: Apache-2.0
#pragma once
// Capital and small letters of the Latin, Greek, Cyrillic and Armenian scripts. Thread-safe: pure functions.

#include <string>
#include <string_view>

namespace pretrain::wikitext {

/// `text` with all its letters, or its first one only, as capital or small letters, as MediaWiki shows them: the capitals
/// of "ß" are "SS", as a first letter it stays. Bytes that are not UTF-8 stay.
std::string in_capitals(std::string_view text);
std::string in_small_letters(std::string_view text);
/// Turkish and its relatives have two kinds of i.
std::string with_first_capital(std::string_view text, std::string_view language);
std::string with_first_small(std::string_view text, std::string_view language);
/// Whether the first character is a small letter.
bool begins_with_small_letter(std::string_view text);

}  // namespace pretrain::wikitext
