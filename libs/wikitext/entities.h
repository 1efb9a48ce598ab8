// SPDX-License-Identifier: Apache-2.0
#pragma once
// Character references of HTML (`&amp;`, `&#8211;`, `&#x2013;`). Thread-safe: pure functions.

#include <cstddef>
#include <string>
#include <string_view>

namespace pretrain::wikitext {

/// Decodes the reference at `text[position]`, an ampersand, appends its character and returns its length; 0
/// for a reference that HTML 4 does not define or that is not a valid character. Spaces of all widths become
/// one plain space; soft hyphens and direction marks are dropped.
size_t decode_entity(std::string_view text, size_t position, std::string& out);

/// `text` with each reference decoded once.
void append_decoded(std::string_view text, std::string& out);

}  // namespace pretrain::wikitext
