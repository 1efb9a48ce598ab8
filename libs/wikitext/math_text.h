// SPDX-License-Identifier: Apache-2.0
#pragma once
// Converts TeX formulas to one line of text: "\frac{a}{b} \le x^{2}" to "a/b ≤ x²". Thread-safe: a pure
// function.

#include <string>
#include <string_view>

namespace pretrain::wikitext {

/// Appends the formula to `out` and returns true. Returns false and appends nothing for a formula that does
/// not fit one line: matrices, aligned equations, very deep nesting.
bool append_formula(std::string_view tex, std::string& out);

}  // namespace pretrain::wikitext
