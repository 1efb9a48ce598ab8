// SPDX-License-Identifier: Apache-2.0
#pragma once
// Repairs UTF-8 before text is tokenized, and finds positions where a cut does not split a character.
// Thread-safe: pure functions. Positions and sizes are bytes.

#include <cstddef>
#include <string>
#include <string_view>

namespace pretrain {

/// Replaces each maximal invalid part by U+FFFD in place and returns how many were replaced.
/// Source: The Unicode Standard, section 3.9, "U+FFFD Substitution of Maximal Subparts".
size_t repair_utf8(std::string& text);

/// The last position at or before `position` where a cut splits neither a character nor a maximal invalid
/// part, so that repairing the two halves gives the same as repairing the whole. At most 3 less than
/// `position`.
size_t utf8_boundary(std::string_view text, size_t position);

/// Length of the byte order mark at the start of `text`: 3 or 0.
size_t utf8_mark_length(std::string_view text);

}  // namespace pretrain
