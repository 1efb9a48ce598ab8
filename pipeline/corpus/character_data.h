// SPDX-License-Identifier: Apache-2.0
#pragma once
// Decodes plain text between two XML tags, which is most of a dump. Thread-safe: pure functions.

#include <cstddef>
#include <string>
#include <string_view>

namespace pretrain {

/// Appends character data (XML 1.0, 2.4) as text, with XML's five entities decoded. False if `raw` has
/// anything else: a tag, comment, CDATA section or other reference, a carriage return (which XML turns into a
/// line feed), `]]>`, or a byte that is not allowed in XML; `text` then has a part of it.
/// Requires: `raw` is UTF-8.
[[nodiscard]] bool append_character_data(std::string_view raw, std::string& text);

}  // namespace pretrain
