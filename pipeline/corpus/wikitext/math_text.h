#pragma once
// TeX of formulas as a line of text: "\frac{a}{b} \le x^{2}" to "a/b ≤ x²". Thread-safe: a pure function.

#include <string>
#include <string_view>

namespace pretrain::wikitext {

/// Appends the formula to `out` and returns true; returns false, having appended nothing, when it is none
/// that one line can show: matrices, aligned equations, very deep nesting.
bool append_formula(std::string_view tex, std::string& out);

}  // namespace pretrain::wikitext
