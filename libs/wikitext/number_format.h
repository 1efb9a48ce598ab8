// SPDX-License-Identifier: Apache-2.0
#pragma once
// Numbers as each wiki writes them: marks between groups of digits, the mark before decimals, digits of other scripts.
// Thread-safe: pure functions.

#include <string>
#include <string_view>

namespace pretrain::wikitext {

/// `text` with each number in it, as computers write them, in the form of the language, as {{formatnum:}} does.
std::string group_digits(std::string_view text, std::string_view language);

/// The reverse: a number as computers write it, without the marks of the language between its digits.
std::string ungrouped_digits(std::string_view number, std::string_view language);

/// `text` with the digits of the language's script.
std::string native_digits(std::string_view text, std::string_view language);

/// Whether `text` is a Roman number in small letters, as "xiv".
bool is_roman_number(std::string_view text);

/// 14 as "XIV".
/// Requires: 1 to 3999.
std::string roman_number(int number);

}  // namespace pretrain::wikitext
