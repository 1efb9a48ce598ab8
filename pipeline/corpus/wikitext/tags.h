#pragma once
// The HTML and extension tags that wikitext may hold, and what becomes of each. Thread-safe: pure functions.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pretrain::wikitext {

enum class TagKind : uint8_t {
  Inline,  ///< the tag goes, its content stays
  Superscript,
  LineBreak,  ///< the tag becomes a line end
  Paragraph,  ///< the tag becomes the end of a paragraph
  Drop,       ///< goes with its content, which is no prose and no wikitext
  Literal,    ///< its content is no markup: nowiki
  Formula,    ///< TeX: math and its relatives
  Verse,      ///< its content keeps its lines: poem
};

struct Tag {
  std::string_view name;
  TagKind kind;
};

/// Number of known tags; a tag's index is below it.
size_t tag_count();
size_t tag_index(const Tag& tag);

struct TagUse {
  const Tag* tag;
  size_t end;  ///< position after its `>`
  bool closing;
  bool self_closing;
};

/// The tag that begins at `page[position]`, a `<`; nothing when it is no known tag or does not end before the
/// next `<`. Adds the bytes it looked at to `work`.
std::optional<TagUse> parse_tag(std::string_view page, size_t position, uint64_t& work);

/// Whether `page` holds `</name` at `position`.
bool closes_at(std::string_view page, size_t position, std::string_view name);

}  // namespace pretrain::wikitext
