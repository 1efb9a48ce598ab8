#pragma once
// Character references of HTML (`&amp;`, `&#8211;`, `&#x2013;`). Thread-safe: pure functions.

#include <cstddef>
#include <string>
#include <string_view>

namespace pretrain::wikitext {

/// Appends what the reference at `text[position]`, an ampersand, stands for, and returns its length; 0 when
/// there is none that HTML 4 knows or when it names no character. Spaces of all widths become one plain
/// space; soft hyphens and direction marks become nothing.
size_t decode_entity(std::string_view text, size_t position, std::string& out);

/// `text` with each reference decoded once.
void append_decoded(std::string_view text, std::string& out);

}  // namespace pretrain::wikitext
