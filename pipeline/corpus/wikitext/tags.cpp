#include "pipeline/corpus/wikitext/tags.h"

#include <algorithm>
#include <array>

#include "pipeline/corpus/wikitext/name_table.h"
#include "pipeline/corpus/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

constexpr Tag kTags[] = {
    {"a", TagKind::Inline},
    {"abbr", TagKind::Inline},
    {"acronym", TagKind::Inline},
    {"article", TagKind::Paragraph},
    {"aside", TagKind::Paragraph},
    {"audio", TagKind::Drop},
    {"b", TagKind::Inline},
    {"bdi", TagKind::Inline},
    {"bdo", TagKind::Inline},
    {"big", TagKind::Inline},
    {"blockquote", TagKind::Paragraph},
    {"br", TagKind::LineBreak},
    {"caption", TagKind::LineBreak},
    {"categorytree", TagKind::Drop},
    {"ce", TagKind::Formula},
    {"center", TagKind::Paragraph},
    {"charinsert", TagKind::Drop},
    {"chem", TagKind::Formula},
    {"cite", TagKind::Inline},
    {"code", TagKind::Inline},
    {"col", TagKind::LineBreak},
    {"colgroup", TagKind::LineBreak},
    {"data", TagKind::Inline},
    {"dd", TagKind::LineBreak},
    {"del", TagKind::Inline},
    {"details", TagKind::Paragraph},
    {"dfn", TagKind::Inline},
    {"div", TagKind::Paragraph},
    {"dl", TagKind::Paragraph},
    {"dt", TagKind::LineBreak},
    {"dynamicpagelist", TagKind::Drop},
    {"em", TagKind::Inline},
    {"embed", TagKind::Drop},
    {"figcaption", TagKind::Paragraph},
    {"figure", TagKind::Paragraph},
    {"font", TagKind::Inline},
    {"form", TagKind::Drop},
    {"gallery", TagKind::Drop},
    {"graph", TagKind::Drop},
    {"h1", TagKind::Paragraph},
    {"h2", TagKind::Paragraph},
    {"h3", TagKind::Paragraph},
    {"h4", TagKind::Paragraph},
    {"h5", TagKind::Paragraph},
    {"h6", TagKind::Paragraph},
    {"head", TagKind::Drop},
    {"hiero", TagKind::Drop},
    {"hr", TagKind::LineBreak},
    {"i", TagKind::Inline},
    {"iframe", TagKind::Drop},
    {"imagemap", TagKind::Drop},
    {"img", TagKind::Inline},
    {"includeonly", TagKind::Drop},
    {"indicator", TagKind::Drop},
    {"inputbox", TagKind::Drop},
    {"ins", TagKind::Inline},
    {"kbd", TagKind::Inline},
    {"li", TagKind::LineBreak},
    {"link", TagKind::Inline},
    {"listing", TagKind::Drop},
    {"mapframe", TagKind::Drop},
    {"maplink", TagKind::Drop},
    {"mark", TagKind::Inline},
    {"math", TagKind::Formula},
    {"meta", TagKind::Inline},
    {"nobr", TagKind::Inline},
    {"noinclude", TagKind::Inline},
    {"noindex", TagKind::Inline},
    {"nowiki", TagKind::Literal},
    {"object", TagKind::Drop},
    {"ol", TagKind::Paragraph},
    {"onlyinclude", TagKind::Inline},
    {"option", TagKind::Drop},
    {"p", TagKind::Paragraph},
    {"pagelist", TagKind::Drop},
    {"pages", TagKind::Drop},
    {"phonos", TagKind::Inline},
    {"poem", TagKind::Verse},
    {"poll", TagKind::Drop},
    {"pre", TagKind::Drop},
    {"q", TagKind::Inline},
    {"quiz", TagKind::Drop},
    {"rb", TagKind::Inline},
    {"ref", TagKind::Drop},
    {"references", TagKind::Drop},
    {"rp", TagKind::Inline},
    {"rss", TagKind::Drop},
    {"rt", TagKind::Inline},
    {"rtc", TagKind::Inline},
    {"ruby", TagKind::Inline},
    {"s", TagKind::Inline},
    {"samp", TagKind::Inline},
    {"score", TagKind::Drop},
    {"script", TagKind::Drop},
    {"section", TagKind::Inline},
    {"select", TagKind::Drop},
    {"slideshow", TagKind::Drop},
    {"small", TagKind::Inline},
    {"source", TagKind::Drop},
    {"span", TagKind::Inline},
    {"strike", TagKind::Inline},
    {"strong", TagKind::Inline},
    {"style", TagKind::Drop},
    {"sub", TagKind::Inline},
    {"summary", TagKind::Paragraph},
    {"sup", TagKind::Superscript},
    {"svg", TagKind::Drop},
    {"syntaxhighlight", TagKind::Drop},
    {"table", TagKind::Drop},
    {"tbody", TagKind::LineBreak},
    {"td", TagKind::LineBreak},
    {"templatedata", TagKind::Drop},
    {"templatestyles", TagKind::Drop},
    {"textarea", TagKind::Drop},
    {"tfoot", TagKind::LineBreak},
    {"th", TagKind::LineBreak},
    {"thead", TagKind::LineBreak},
    {"time", TagKind::Inline},
    {"timeline", TagKind::Drop},
    {"tr", TagKind::LineBreak},
    {"translate", TagKind::Inline},
    {"tt", TagKind::Inline},
    {"tvar", TagKind::Inline},
    {"u", TagKind::Inline},
    {"ul", TagKind::Paragraph},
    {"var", TagKind::Inline},
    {"video", TagKind::Drop},
    {"wbr", TagKind::Inline},
    {"xmp", TagKind::Drop},
};
static_assert(std::ranges::is_sorted(kTags, {}, &Tag::name));

constexpr size_t kLongestName = 16;

bool is_name_byte(char byte) {
  return is_letter(byte) || is_digit(byte) || byte == '-';
}

const Tag* find_tag(std::string_view name) {
  static const NameTable<Tag> kTable(kTags);
  const std::span<const Tag> found = kTable.find(name);
  return found.empty() ? nullptr : found.data();
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
  while (at < page.size() && is_name_byte(page[at])) {
    if (length == kLongestName) return std::nullopt;
    name[length++] = lower(page[at++]);
  }
  const Tag* tag = find_tag(std::string_view(name.data(), length));
  if (tag == nullptr) return std::nullopt;
  constexpr ByteSet kEnds("<>");
  const size_t end = kEnds.find(page, at);
  work += end - position;
  if (end == page.size() || page[end] == '<') return std::nullopt;
  return TagUse{.tag = tag, .end = end + 1, .closing = closing, .self_closing = page[end - 1] == '/'};
}

bool closes_at(std::string_view page, size_t position, std::string_view name) {
  const size_t end = position + 2 + name.size();
  if (end > page.size() || page[position + 1] != '/') return false;
  for (size_t i = 0; i < name.size(); ++i) {
    if (lower(page[position + 2 + i]) != name[i]) return false;
  }
  return end == page.size() || !is_name_byte(page[end]);
}

}  // namespace pretrain::wikitext
