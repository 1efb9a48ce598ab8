#pragma once
// UTF-8: what is not UTF-8 is replaced before anything tokenizes it, and text is never cut inside a
// character. Thread-safe: pure functions. Positions and sizes are bytes.

#include <cstddef>
#include <string>
#include <string_view>

namespace pretrain {

/// Replaces each maximal invalid part by U+FFFD in place and returns how many were replaced.
/// Source: The Unicode Standard, section 3.9, "U+FFFD Substitution of Maximal Subparts".
size_t repair_utf8(std::string& text);

/// The greatest position at or before `position` where cutting splits neither a character nor a maximal
/// invalid part, so that repairing the two halves gives the same as repairing the whole. At most 3 less than
/// `position`.
size_t utf8_boundary(std::string_view text, size_t position);

/// Bytes of the byte order mark that `text` begins with: 3 or 0.
size_t utf8_mark_length(std::string_view text);

}  // namespace pretrain
