// SPDX-License-Identifier: Apache-2.0
#pragma once
// Arithmetic as {{#expr:}} computes it. Thread-safe: pure functions.

#include <optional>
#include <string>
#include <string_view>

namespace pretrain::wikitext {

/// The value of `2*(3+4)`; empty for an expression with a mistake, a division by zero or a result that is no number.
/// Operators, from the weakest: or; and; = != <> < > <= >=; round; + -; * / div mod fmod; ^; functions and not;
/// signs and e. Takes time in proportion to the size of `text`.
/// Source: MediaWiki, extension ParserFunctions, ExprParser.
std::optional<double> expression_value(std::string_view text);

/// A number as MediaWiki writes it: at most 14 digits, and no more than needed.
std::string number_text(double value);

}  // namespace pretrain::wikitext
