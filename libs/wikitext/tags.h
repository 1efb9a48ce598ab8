// SPDX-License-Identifier: Apache-2.0
#pragma once
// The HTML and extension tags of wikitext, and how each is handled. Thread-safe: pure functions.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pretrain::wikitext {

enum class TagKind : uint8_t {
  kInline,  ///< the tag is dropped, its content is kept
  kSuperscript,
  kRuby,       ///< parts of a word with its reading
  kLineBreak,  ///< the tag becomes a line end
  kParagraph,  ///< the tag becomes the end of a paragraph
  kDrop,       ///< dropped with its content, which is neither prose nor wikitext
  kDropBlock,  ///< like kDrop, and it ends the paragraph
  kCode,       ///< like kDropBlock, but a word of a sentence when it is inline
  kLiteral,    ///< its content is not markup: nowiki
  kFormula,    ///< TeX: math and its relatives
  kVerse,      ///< its content keeps its lines: poem
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
  std::string_view attributes;  ///< between its name and its `>`
};

/// The tag that begins at `page[position]`, a `<`; empty if it is not a known tag or does not end before the
/// next `<` that begins no comment or literal text. Adds the bytes it read to `work`.
/// Source: MediaWiki: a name ends at white space, `/` or `>`, so "<i,j>" is no tag.
std::optional<TagUse> parse_tag(std::string_view page, size_t position, uint64_t& work);

/// Whether `page` holds `</name` at `position`.
bool closes_at(std::string_view page, size_t position, std::string_view name);

}  // namespace pretrain::wikitext
