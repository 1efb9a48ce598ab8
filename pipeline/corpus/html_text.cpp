// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/html_text.h"

#include <algorithm>
#include <limits>
#include <memory>

#include <libxml/HTMLparser.h>

#include "libs/base/text.h"
#include "libs/wikitext/line_writer.h"
#include "libs/wikitext/math_text.h"
#include "libs/wikitext/text_fold.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

using wikitext::LineKind;
using wikitext::LineWriter;

template <size_t N>
bool is_one_of(const std::string_view (&words)[N], std::string_view word) {
  return std::ranges::find(words, word) != std::end(words);
}

/// Elements that go with all that they hold.
constexpr std::string_view kDropped[] = {
    "script", "style",  "template", "svg",   "nav",    "footer", "aside",    "form", "button", "select",
    "iframe", "object", "video",    "audio", "figure", "canvas", "noscript", "map",  "head"};
/// Classes of what Wikipedia's pages show next to their text; the last are marks in a sentence.
constexpr std::string_view kDroppedClasses[] = {
    "infobox",      "navbox",         "sidebar",      "metadata",        "noprint",
    "hatnote",      "thumb",          "reflist",      "references",      "mw-references-wrap",
    "toc",          "catlinks",       "printfooter",  "ambox",           "wikitable",
    "gallery",      "mw-editsection", "mw-jump-link", "vertical-navbox", "reference",
    "mw-empty-elt", "error"};
/// Elements that are paragraphs of their own: an empty line before and after.
constexpr std::string_view kBlocks[] = {
    "p",      "div",        "section", "article", "main",    "header",  "ul",      "ol",    "dl", "table",
    "center", "blockquote", "body",    "pre",     "address", "details", "summary", "tbody", "hr"};
/// Elements that are lines of their own.
constexpr std::string_view kItems[] = {"li", "dt", "dd", "tr", "caption"};

bool is_dropped_class(std::string_view classes) {
  while (!classes.empty()) {
    const size_t end = std::min(classes.find_first_of(" \t\n"), classes.size());
    if (is_one_of(kDroppedClasses, classes.substr(0, end))) return true;
    classes.remove_prefix(std::min(end + 1, classes.size()));
  }
  return false;
}

/// The level of "h1" to "h6"; 0 for other elements.
size_t heading_level(std::string_view name) {
  const bool heading = name.size() == 2 && name[0] == 'h' && name[1] >= '1' && name[1] <= '6';
  return heading ? static_cast<size_t>(name[1] - '0') : 0;
}

/// Deeper than any page nests elements. Bounds what the parser does at the end of an element, which may belong to
/// any that is open.
constexpr size_t kDeepest = 256;
/// The parser compares each attribute with all before it, so the rest of a tag with more than this is blanked.
constexpr size_t kMostAttributes = 1000;

/// Whether the byte may be part of the name of an attribute.
bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == ':' || c == '.' || static_cast<unsigned char>(c) >= 0x80;
}

/// Blanks the attributes after the first kMostAttributes of the tag that begins at `at`; returns where it ends.
size_t limit_attributes(std::string& html, size_t at) {
  size_t attributes = 0;
  char before = ' ';
  for (++at; at < html.size() && html[at] != '>'; ++at) {
    const char byte = html[at];
    if ((byte == '"' || byte == '\'') && before == '=') {
      at = std::min(html.find(byte, at + 1), html.size() - 1);
    } else {
      attributes += is_name_byte(byte) ? 0 : 1;
      if (attributes > kMostAttributes) html[at] = ' ';
    }
    if (byte != ' ') before = byte;
  }
  return at;
}

/// Goes over the text once before the parser does, since no option of libxml2 limits the attributes of a tag.
void limit_tags(std::string& html) {
  for (size_t at = html.find('<'); at < html.size(); at = html.find('<', at)) {
    at = at + 1 < html.size() && is_name_byte(html[at + 1]) ? limit_attributes(html, at) : at + 1;
  }
}

/// Follows the events of the parser; its elements are nested properly, whatever the page holds.
class Reader {
 public:
  explicit Reader(HtmlText& page) : page_(page), writer_(page.text) {}

  /// What stops the parser.
  void stop_with(htmlParserCtxtPtr parser) { parser_ = parser; }

  void begin(std::string_view name, const xmlChar** attributes) {
    if (++depth_ > kDeepest) {
      page_.too_deep = true;
      return xmlStopParser(parser_);
    }
    if (name == "title") in_title_ = page_.title.empty();
    if (dropped_ > 0) {
      ++dropped_;
    } else if (is_one_of(kDropped, name) || name == "math" || has_dropped_class(attributes)) {
      ++dropped_;
      drop(name, attributes);
    } else {
      open(name);
    }
  }

  void end(std::string_view name) {
    if (depth_ > 0) --depth_;
    if (name == "title") in_title_ = false;
    if (dropped_ > 0) {
      --dropped_;
    } else {
      close(name);
    }
  }

  void text(std::string_view bytes) {
    if (in_title_) page_.title += bytes;
    if (dropped_ > 0) return;
    static constexpr wikitext::ByteSet kBlanks("\t\r\n\f\x1E");
    while (!bytes.empty()) {
      const size_t space = kBlanks.find(bytes, 0);
      if (space > 0) writer_.text(bytes.substr(0, space));
      bytes.remove_prefix(space);
      if (bytes.empty()) return;
      preformatted_ > 0 && bytes.front() == '\n' ? end_line() : writer_.text(" ");
      bytes.remove_prefix(1);
    }
  }

  void finish() { end_line(); }

 private:
  static bool has_dropped_class(const xmlChar** attributes) {
    const std::string_view classes = value_of(attributes, "class");
    return !classes.empty() && is_dropped_class(classes);
  }

  static std::string_view value_of(const xmlChar** attributes, std::string_view key) {
    for (; attributes != nullptr && attributes[0] != nullptr; attributes += 2) {
      if (key != reinterpret_cast<const char*>(attributes[0])) continue;
      return attributes[1] == nullptr ? "" : reinterpret_cast<const char*>(attributes[1]);
    }
    return "";
  }

  /// A formula is shown from its TeX, as in wikitext.
  void drop(std::string_view name, const xmlChar** attributes) {
    std::string formula;
    if (name == "math" && wikitext::append_formula(value_of(attributes, "alttext"), formula)) {
      writer_.text(formula);
    } else {
      writer_.removed();
    }
  }

  void open(std::string_view name) {
    if (const size_t level = heading_level(name)) {
      end_block();
      kind_ = LineKind::kHeading;
      level_ = level;
    } else if (is_one_of(kBlocks, name)) {
      end_block();
      preformatted_ += name == "pre" ? 1 : 0;
    } else if (is_one_of(kItems, name)) {
      end_line();
      kind_ = LineKind::kOwn;
    } else if (name == "br") {
      end_line();
      writer_.break_line();
    } else if (name == "td" || name == "th") {
      writer_.text(" ");
    } else if (name == "sup") {
      raised_ = writer_.position();
    }
  }

  void close(std::string_view name) {
    if (heading_level(name) > 0) {
      end_line();
    } else if (is_one_of(kBlocks, name)) {
      preformatted_ -= name == "pre" && preformatted_ > 0 ? 1 : 0;
      end_block();
    } else if (is_one_of(kItems, name)) {
      end_line();
    } else if (name == "sup" && raised_ != std::string_view::npos) {
      writer_.raise_since(raised_);
      raised_ = std::string_view::npos;
    }
  }

  void end_block() {
    end_line();
    writer_.blank_line();
  }

  void end_line() {
    if (kind_ == LineKind::kHeading) writer_.verbatim(std::string(level_, '='));
    writer_.end_line(kind_ == LineKind::kText && preformatted_ > 0 ? LineKind::kOwn : kind_, level_);
    kind_ = LineKind::kText;
    level_ = 0;
    raised_ = std::string_view::npos;
  }

  HtmlText& page_;
  htmlParserCtxtPtr parser_ = nullptr;
  size_t depth_ = 0;
  LineWriter writer_;
  LineKind kind_ = LineKind::kText;
  size_t level_ = 0;
  size_t dropped_ = 0;       ///< open elements from the dropped one on
  size_t preformatted_ = 0;  ///< open elements `pre`
  size_t raised_ = std::string_view::npos;
  bool in_title_ = false;
};

Reader& reader(void* data) {
  return *static_cast<Reader*>(data);
}
std::string_view view(const xmlChar* text) {
  return reinterpret_cast<const char*>(text);
}

void on_start(void* data, const xmlChar* name, const xmlChar** attributes) {
  reader(data).begin(view(name), attributes);
}
void on_end(void* data, const xmlChar* name) {
  reader(data).end(view(name));
}
void on_text(void* data, const xmlChar* bytes, int length) {
  reader(data).text({reinterpret_cast<const char*>(bytes), static_cast<size_t>(length)});
}

htmlSAXHandler handlers() {
  htmlSAXHandler sax{};
  sax.startElement = on_start;
  sax.endElement = on_end;
  sax.characters = on_text;
  sax.ignorableWhitespace = on_text;
  return sax;
}

}  // namespace

/// The parser makes no tree: its events are enough, and its memory stays small.
HtmlText html_text(std::string_view html) {
  HtmlText page;
  std::string repaired(html.substr(utf8_mark_length(html)));
  repair_utf8(repaired);
  limit_tags(repaired);
  if (repaired.empty() || repaired.size() > static_cast<size_t>(std::numeric_limits<int>::max())) return page;
  Reader events(page);
  htmlSAXHandler sax = handlers();
  const std::unique_ptr<htmlParserCtxt, decltype(&htmlFreeParserCtxt)> context(
      htmlCreatePushParserCtxt(&sax, &events, nullptr, 0, nullptr, XML_CHAR_ENCODING_UTF8),
      htmlFreeParserCtxt);
  if (context == nullptr) return page;
  events.stop_with(context.get());
  htmlCtxtUseOptions(context.get(), HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                        HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
  htmlParseChunk(context.get(), repaired.data(), static_cast<int>(repaired.size()), 1);
  events.finish();
  page.title = std::string(trim_blanks(page.title));
  return page;
}

}  // namespace pretrain
