// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/dump.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

#include <expat.h>

#include "libs/base/error.h"
#include "libs/base/number.h"
#include "libs/base/text.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

/// English names of namespaces, which all wikis accept.
/// Source: MediaWiki, includes/Defines.php and the canonical names of common extensions.
constexpr std::array<std::pair<std::string_view, int>, 26> kEnglishNames{{
    {"media", -2},         {"special", -1},      {"talk", 1},           {"user", 2},
    {"user talk", 3},      {"project", 4},       {"wikipedia", 4},      {"project talk", 5},
    {"wikipedia talk", 5}, {"file", 6},          {"image", 6},          {"file talk", 7},
    {"image talk", 7},     {"mediawiki", 8},     {"mediawiki talk", 9}, {"template", 10},
    {"template talk", 11}, {"help", 12},         {"help talk", 13},     {"category", 14},
    {"category talk", 15}, {"portal", 100},      {"portal talk", 101},  {"draft", 118},
    {"module", 828},       {"module talk", 829},
}};

/// Names of namespaces ignore case and the difference between blanks and underscores. Folding ASCII is
/// enough, because other letters are written as in siteinfo.
std::string folded(std::string_view name) {
  std::string text(trim_blanks(name));
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    c = c == '_' ? ' ' : byte < 0x80 ? static_cast<char>(std::tolower(byte)) : c;
  }
  return text;
}

/// Collects siteinfo from the start of a dump; stops the parser after it, at a page, or at a DOCTYPE.
class SiteParser {
 public:
  SiteParser() : parser_(XML_ParserCreate("UTF-8"), XML_ParserFree) {
    XML_SetUserData(parser_.get(), this);
    XML_SetElementHandler(parser_.get(), start, end);
    XML_SetCharacterDataHandler(parser_.get(), text);
    XML_SetDoctypeDeclHandler(parser_.get(), doctype, nullptr);
  }

  DumpSite read(std::string_view head) {
    XML_Parse(parser_.get(), head.data(), static_cast<int>(head.size()), XML_FALSE);
    // Old dumps have no language, but their database name does: "enwiki", "zh_yuewiki".
    const size_t wiki = database_.rfind("wiki");
    if (site_.wiki.language.empty() && wiki != std::string::npos) {
      site_.wiki.language = database_.substr(0, wiki);
      std::ranges::replace(site_.wiki.language, '_', '-');
    }
    return std::move(site_);
  }

 private:
  static SiteParser& self(void* data) { return *static_cast<SiteParser*>(data); }

  static void start(void* data, const XML_Char* name, const XML_Char** attributes) {
    self(data).begin_element(name, attributes);
  }
  static void end(void* data, const XML_Char* name) { self(data).end_element(name); }
  static void text(void* data, const XML_Char* bytes, int length) {
    self(data).text_.append(bytes, static_cast<size_t>(length));
  }
  static void doctype(void* data, const XML_Char*, const XML_Char*, const XML_Char*, int) {
    self(data).stop();
  }

  /// Without the prefix that a dump may give to all its tags.
  static std::string_view local(std::string_view name) { return name.substr(name.find(':') + 1); }
  /// Nothing after siteinfo is needed, and entities of a DOCTYPE could make text of any length.
  void stop() { XML_StopParser(parser_.get(), XML_FALSE); }

  void begin_element(std::string_view name, const XML_Char** attributes) {
    text_.clear();
    const std::string_view element = local(name);
    for (; *attributes != nullptr; attributes += 2) {
      const std::string_view key = attributes[0];
      if (element == "mediawiki" && key == "xml:lang") site_.wiki.language = attributes[1];
      if (element == "namespace" && key == "key") key_ = attributes[1];
    }
    if (element == "page") stop();
  }

  void end_element(std::string_view name) {
    const std::string_view element = local(name);
    if (element == "dbname") database_ = trim_blanks(text_);
    if (element == "namespace") add_namespace();
    if (element == "siteinfo") stop();
  }

  void add_namespace() {
    if (const auto number = parse_number<int>(key_)) site_.wiki.namespaces[*number] = trim_blanks(text_);
    key_.clear();
  }

  std::unique_ptr<XML_ParserStruct, decltype(&XML_ParserFree)> parser_;
  DumpSite site_;
  std::string database_;
  std::string key_;
  std::string text_;
};

/// The text after an opening "<?...?>" and comments.
std::string_view without_prolog(std::string_view head) {
  std::string_view text = trim_blanks(head.substr(utf8_mark_length(head)));
  for (const auto& [open, close] :
       {std::pair<std::string_view, std::string_view>{"<?", "?>"}, {"<!--", "-->"}}) {
    while (text.starts_with(open)) {
      const size_t end = text.find(close);
      if (end == std::string_view::npos) return {};
      text = trim_blanks(text.substr(end + close.size()));
    }
  }
  return text;
}

}  // namespace

bool PageSelection::wants(int page_namespace) const {
  return std::ranges::binary_search(namespaces, page_namespace);
}

/// Sorted, so that wants() can use a binary search.
PageSelection parse_namespaces(std::string_view list) {
  PageSelection pages{.namespaces = {}};
  for (std::string_view rest = list;;) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const auto number = parse_number<int>(trim_blanks(rest.substr(0, comma)));
    if (!number) {
      fail(ErrorKind::kUsage, "must be integers separated by commas, such as 0 or 0,14 (got {})", list);
    }
    pages.namespaces.push_back(*number);
    if (comma == rest.size()) break;
    rest.remove_prefix(comma + 1);
  }
  std::ranges::sort(pages.namespaces);
  return pages;
}

/// Looks at the root element only; a page that mentions "<mediawiki" in its text is not a dump.
std::optional<std::string> dump_prefix(std::string_view head) {
  constexpr size_t kLongestPrefix = 64;
  std::string_view text = without_prolog(head);
  // A DOCTYPE is skipped: its entities never reach a parser, and only the root after it matters.
  if (text.starts_with("<!DOCTYPE")) {
    const bool subset = text.find('[') < text.find('>');
    const std::string_view close = subset ? "]>" : ">";
    const size_t end = text.find(close);
    text = end == std::string_view::npos ? std::string_view() : trim_blanks(text.substr(end + close.size()));
  }
  if (!text.starts_with('<')) return std::nullopt;
  const std::string_view name = text.substr(1, text.find_first_of(" \t\r\n/>", 1) - 1);
  const size_t colon = name.find(':');
  const size_t length = colon == std::string_view::npos ? 0 : colon + 1;
  const std::string_view local = name.substr(length);
  if ((local != "mediawiki" && local != "page") || length > kLongestPrefix) return std::nullopt;
  return std::string(name.substr(0, length));
}

DumpSite read_dump_site(std::string_view head) {
  DumpSite site = SiteParser().read(head.substr(utf8_mark_length(head)));
  site.prefix = dump_prefix(head).value_or("");
  return site;
}

/// By hand: expat would accept or refuse the encoding itself, and the message has to name it.
std::string declared_encoding(std::string_view head) {
  const std::string_view text = head.substr(utf8_mark_length(head));
  if (!text.starts_with("<?xml")) return {};
  const std::string_view declaration = text.substr(0, text.find("?>"));
  const size_t key = declaration.find("encoding");
  const size_t open = key == std::string_view::npos ? key : declaration.find_first_of("\"'", key);
  if (open == std::string_view::npos) return {};
  const size_t close = declaration.find(declaration[open], open + 1);
  if (close == std::string_view::npos) return {};
  return folded(declaration.substr(open + 1, close - open - 1));
}

/// A colon is also common in titles of articles, so an unknown prefix means namespace 0.
int namespace_of_title(const WikiSite& wiki, std::string_view title) {
  const size_t colon = title.find(':');
  if (colon == std::string_view::npos) return 0;
  const std::string name = folded(title.substr(0, colon));
  for (const auto& [number, local] : wiki.namespaces) {
    if (number != 0 && folded(local) == name) return number;
  }
  const auto found = std::ranges::find(kEnglishNames, name, &std::pair<std::string_view, int>::first);
  return found == kEnglishNames.end() ? 0 : found->second;
}

}  // namespace pretrain
