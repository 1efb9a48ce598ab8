// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/tags.h"

#include <algorithm>
#include <array>

#include "libs/wikitext/name_table.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

constexpr size_t npos = std::string_view::npos;

// The tags of labelled sections have names of their own on some wikis: Abschnitt, sección, trecho, קטע.
constexpr Tag kTags[] = {
    {"a", TagKind::kInline},
    {"abbr", TagKind::kInline},
    {"abschnitt", TagKind::kInline},
    {"acronym", TagKind::kInline},
    {"article", TagKind::kParagraph},
    {"aside", TagKind::kParagraph},
    {"audio", TagKind::kDrop},
    {"b", TagKind::kInline},
    {"bdi", TagKind::kInline},
    {"bdo", TagKind::kInline},
    {"big", TagKind::kInline},
    {"blockquote", TagKind::kParagraph},
    {"br", TagKind::kLineBreak},
    {"caption", TagKind::kLineBreak},
    {"categorytree", TagKind::kDrop},
    {"ce", TagKind::kFormula},
    {"center", TagKind::kParagraph},
    {"charinsert", TagKind::kDrop},
    {"chem", TagKind::kFormula},
    {"cite", TagKind::kInline},
    {"code", TagKind::kInline},
    {"col", TagKind::kLineBreak},
    {"colgroup", TagKind::kLineBreak},
    {"data", TagKind::kInline},
    {"dd", TagKind::kLineBreak},
    {"del", TagKind::kInline},
    {"details", TagKind::kParagraph},
    {"dfn", TagKind::kInline},
    {"div", TagKind::kParagraph},
    {"dl", TagKind::kParagraph},
    {"dt", TagKind::kLineBreak},
    {"dynamicpagelist", TagKind::kDrop},
    {"em", TagKind::kInline},
    {"embed", TagKind::kDrop},
    {"figcaption", TagKind::kParagraph},
    {"figure", TagKind::kParagraph},
    {"font", TagKind::kInline},
    {"form", TagKind::kDrop},
    {"gallery", TagKind::kDropBlock},
    {"graph", TagKind::kDropBlock},
    {"h1", TagKind::kParagraph},
    {"h2", TagKind::kParagraph},
    {"h3", TagKind::kParagraph},
    {"h4", TagKind::kParagraph},
    {"h5", TagKind::kParagraph},
    {"h6", TagKind::kParagraph},
    {"head", TagKind::kDrop},
    {"hiero", TagKind::kDrop},
    {"hr", TagKind::kLineBreak},
    {"i", TagKind::kInline},
    {"iframe", TagKind::kDrop},
    {"imagemap", TagKind::kDropBlock},
    {"img", TagKind::kInline},
    {"includeonly", TagKind::kDrop},
    {"indicator", TagKind::kDrop},
    {"inputbox", TagKind::kDropBlock},
    {"ins", TagKind::kInline},
    {"kbd", TagKind::kInline},
    {"langconvert", TagKind::kInline},
    {"li", TagKind::kLineBreak},
    {"link", TagKind::kInline},
    {"listing", TagKind::kDropBlock},
    {"mapframe", TagKind::kDropBlock},
    {"maplink", TagKind::kDrop},
    {"mark", TagKind::kInline},
    {"math", TagKind::kFormula},
    {"meta", TagKind::kInline},
    {"nobr", TagKind::kInline},
    {"noinclude", TagKind::kInline},
    {"noindex", TagKind::kInline},
    {"nowiki", TagKind::kLiteral},
    {"object", TagKind::kDrop},
    {"ol", TagKind::kParagraph},
    {"onlyinclude", TagKind::kInline},
    {"option", TagKind::kDrop},
    {"p", TagKind::kParagraph},
    {"pagelist", TagKind::kDrop},
    {"pages", TagKind::kDrop},
    {"phonos", TagKind::kInline},
    {"poem", TagKind::kVerse},
    {"poll", TagKind::kDrop},
    {"pre", TagKind::kDropBlock},
    {"q", TagKind::kInline},
    {"quiz", TagKind::kDrop},
    {"rb", TagKind::kRuby},
    {"ref", TagKind::kDrop},
    {"references", TagKind::kDrop},
    {"rp", TagKind::kRuby},
    {"rss", TagKind::kDrop},
    {"rt", TagKind::kRuby},
    {"rtc", TagKind::kRuby},
    {"ruby", TagKind::kRuby},
    {"s", TagKind::kInline},
    {"samp", TagKind::kInline},
    {"score", TagKind::kDrop},
    {"script", TagKind::kDrop},
    {"sección", TagKind::kInline},
    {"section", TagKind::kInline},
    {"select", TagKind::kDrop},
    {"slideshow", TagKind::kDrop},
    {"small", TagKind::kInline},
    {"source", TagKind::kCode},
    {"span", TagKind::kInline},
    {"strike", TagKind::kInline},
    {"strong", TagKind::kInline},
    {"style", TagKind::kDrop},
    {"sub", TagKind::kInline},
    {"summary", TagKind::kParagraph},
    {"sup", TagKind::kSuperscript},
    {"svg", TagKind::kDrop},
    {"syntaxhighlight", TagKind::kCode},
    {"table", TagKind::kDropBlock},
    {"tbody", TagKind::kLineBreak},
    {"td", TagKind::kLineBreak},
    {"templatedata", TagKind::kDropBlock},
    {"templatestyles", TagKind::kDrop},
    {"textarea", TagKind::kDrop},
    {"tfoot", TagKind::kLineBreak},
    {"th", TagKind::kLineBreak},
    {"thead", TagKind::kLineBreak},
    {"time", TagKind::kInline},
    {"timeline", TagKind::kDropBlock},
    {"tr", TagKind::kLineBreak},
    {"translate", TagKind::kInline},
    {"trecho", TagKind::kInline},
    {"tt", TagKind::kInline},
    {"tvar", TagKind::kInline},
    {"u", TagKind::kInline},
    {"ul", TagKind::kParagraph},
    {"var", TagKind::kInline},
    {"video", TagKind::kDrop},
    {"wbr", TagKind::kInline},
    {"xmp", TagKind::kDrop},
    {"קטע", TagKind::kInline},
};
static_assert(std::ranges::is_sorted(kTags, {}, &Tag::name));

constexpr size_t kLongestName = 16;

/// Ends the name of a tag.
constexpr ByteSet kNameEnds("\t\n\v\f\r />");

const Tag* find_tag(std::string_view name) {
  static const NameTable<Tag> kTable(kTags);
  const std::span<const Tag> found = kTable.find(name);
  return found.empty() ? nullptr : found.data();
}

/// What may be inside of a tag, because MediaWiki removes it before it looks for tags.
constexpr std::string_view kRemovedFirst[][2] = {
    {"<!--", "-->"},        {"<nowiki>", "</nowiki>"},
    {"<nowiki/>", ""},      {"<noinclude>", ""},
    {"</noinclude>", ""},   {"<onlyinclude>", ""},
    {"</onlyinclude>", ""}, {"<includeonly>", "</includeonly>"},
};

/// The end of such a part at `position`, a `<`; npos for anything else.
size_t removed_end(std::string_view page, size_t position) {
  constexpr size_t kLongest = 400;  // bounds the search for its end
  const std::string_view rest = page.substr(position, kLongest);
  for (const auto& [start, end] : kRemovedFirst) {
    if (!rest.starts_with(start)) continue;
    const size_t at = rest.find(end, start.size());
    return at == npos ? npos : position + at + end.size();
  }
  return npos;
}

/// Moves `at`, the end of the tag's name, to the `>` that ends the tag, or to what shows that it is none.
bool find_end(std::string_view page, size_t& at) {
  constexpr ByteSet kEnds("<>");
  constexpr int kMostParts = 4;
  for (int parts = 0; parts <= kMostParts; ++parts) {
    at = kEnds.find(page, at);
    if (at == page.size() || page[at] == '>') return at < page.size();
    const size_t end = removed_end(page, at);
    if (end == npos) return false;
    at = end;
  }
  return false;
}

}  // namespace

size_t tag_count() {
  return std::size(kTags);
}

size_t tag_index(const Tag& tag) {
  return static_cast<size_t>(&tag - kTags);
}

std::optional<TagUse> parse_tag(std::string_view page, size_t position, uint64_t& work) {
  size_t at = position + 1;
  const bool closing = at < page.size() && page[at] == '/';
  if (closing) ++at;
  std::array<char, kLongestName> name{};
  size_t length = 0;
  while (at < page.size() && !kNameEnds.holds(page[at])) {
    if (length == kLongestName) return std::nullopt;
    name[length++] = lower(page[at++]);
  }
  const Tag* tag = find_tag(std::string_view(name.data(), length));
  if (tag == nullptr) return std::nullopt;
  size_t end = at;
  const bool ends = find_end(page, end);
  work += end - position;
  if (!ends) return std::nullopt;
  return TagUse{.tag = tag,
                .end = end + 1,
                .closing = closing,
                .self_closing = page[end - 1] == '/',
                .attributes = page.substr(at, end - at)};
}

bool closes_at(std::string_view page, size_t position, std::string_view name) {
  const size_t end = position + 2 + name.size();
  if (end > page.size() || page[position + 1] != '/') return false;
  for (size_t i = 0; i < name.size(); ++i) {
    if (lower(page[position + 2 + i]) != name[i]) return false;
  }
  return end == page.size() || kNameEnds.holds(page[end]);
}

}  // namespace pretrain::wikitext
