#pragma once
// Punctuation at the edges of a text, in ASCII and in the full-width forms of Chinese and Japanese.
// Thread-safe: pure functions. Each `_at_start` or `_at_end` gives the length in bytes of such a mark there,
// or 0.

#include <cstddef>
#include <string_view>

namespace pretrain::wikitext {

size_t opening_at_end(std::string_view text);
size_t closing_at_start(std::string_view text);
/// Commas, semicolons and colons.
size_t separator_at_start(std::string_view text);
/// Commas and semicolons.
size_t separator_at_end(std::string_view text);
/// A comma, semicolon or full stop that takes no space before it; no decimal point, no ellipsis.
size_t stop_at_start(std::string_view text);

/// Whether `text` holds anything but spaces and punctuation.
bool has_words(std::string_view text);
/// Whether `text` holds a letter of any script.
bool has_letters(std::string_view text);

/// Whether a space would be wrong between the two: both sides are of a script that sets no spaces.
bool joins_without_space(std::string_view before, std::string_view after);

}  // namespace pretrain::wikitext
