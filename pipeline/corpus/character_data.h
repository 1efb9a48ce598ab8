#pragma once
// Text between two tags of XML, where it is plain: the great part of a dump. Thread-safe: pure functions.

#include <cstddef>
#include <string>
#include <string_view>

namespace pretrain {

/// Appends character data (XML 1.0, 2.4) as text, each of XML's five entities as what it stands for. False
/// when `raw` holds anything else: a tag, comment, CDATA section or other reference, a carriage return (which
/// XML makes a line feed), `]]>`, or a byte that no XML may hold; `text` then has a part of it.
/// Requires: `raw` is UTF-8.
[[nodiscard]] bool append_character_data(std::string_view raw, std::string& text);

}  // namespace pretrain
