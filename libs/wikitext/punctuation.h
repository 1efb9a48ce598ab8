// SPDX-License-Identifier: Apache-2.0
#pragma once
// Punctuation at the start and end of a text, in ASCII and in the full-width forms of Chinese and Japanese.
// Thread-safe: pure functions. Each `_at_start` or `_at_end` returns the length of such a mark in bytes, or
// 0.

#include <cstddef>
#include <string_view>

namespace pretrain::wikitext {

size_t opening_at_end(std::string_view text);
size_t closing_at_start(std::string_view text);
/// Commas, semicolons and colons.
size_t separator_at_start(std::string_view text);
/// Commas and semicolons.
size_t separator_at_end(std::string_view text);
/// A comma, semicolon or full stop without a space before it, but not a decimal point or an ellipsis.
size_t stop_at_start(std::string_view text);

/// Whether `text` holds anything but spaces and punctuation.
bool has_words(std::string_view text);
/// Whether `text` holds a letter of any script.
bool has_letters(std::string_view text);

/// Whether no space belongs between the two, because both are in a script without spaces.
bool joins_without_space(std::string_view before, std::string_view after);

}  // namespace pretrain::wikitext
