// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sentences that lost words which no rule knows (missing_words.h). A sentence without them is worse than none: "He hit
// well in." is false, so it is dropped as a whole. Thread-safe: pure functions.

#include <string>
#include <string_view>

namespace pretrain::wikitext {

/// Begins an item of a list in a line that holds line ends, such as the text of a template. No dump holds it.
constexpr char kItemMark = '\x1E';
/// Marks in a line where such words are missing. No dump holds it.
constexpr char kLossMark = '\x1F';

/// The line without its sentences that hold a mark. Where the mark is in round brackets, only these go. Where it is
/// unclear whether a stop belongs to an abbreviation, the sentence is longer rather than shorter.
std::string without_broken_sentences(std::string_view line, std::string_view language);

}  // namespace pretrain::wikitext
