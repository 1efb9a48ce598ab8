// SPDX-License-Identifier: Apache-2.0
#include "tests/libs/wikitext/residual_markup.h"

#include <algorithm>

namespace pretrain::test {
namespace {

constexpr std::string_view kMarks[] = {"{{", "}}", "[[", "]]", "{|", "|}", "<ref", "'''"};
constexpr std::string_view kTags[] = {"a",           "abbr",    "b",         "big",         "blockquote",
                                      "br",          "center",  "cite",      "code",        "dd",
                                      "del",         "div",     "dl",        "dt",          "em",
                                      "font",        "gallery", "h1",        "h2",          "h3",
                                      "h4",          "hr",      "i",         "includeonly", "ins",
                                      "li",          "math",    "noinclude", "nowiki",      "ol",
                                      "onlyinclude", "p",       "poem",      "pre",         "q",
                                      "references",  "s",       "small",     "source",      "span",
                                      "strike",      "strong",  "sub",       "sup",         "syntaxhighlight",
                                      "table",       "td",      "th",        "timeline",    "tr",
                                      "tt",          "u",       "ul",        "var"};

/// The tag that begins `text`, with its bracket; "" when there is none.
std::string_view tag_at(std::string_view text) {
  const size_t name = text.starts_with("</") ? 2 : 1;
  const size_t end = std::min(text.find_first_of(" \n/>", name), text.size());
  const bool known = std::ranges::find(kTags, text.substr(name, end - name)) != std::end(kTags);
  const size_t close = text.find_first_of("<>", 1);
  return known && close != std::string_view::npos && text[close] == '>' ? text.substr(0, close + 1) : "";
}

}  // namespace

std::vector<std::string> residual_markup(std::string_view text) {
  std::vector<std::string> found;
  for (const std::string_view mark : kMarks) {
    for (size_t at = text.find(mark); at != std::string_view::npos; at = text.find(mark, at + mark.size())) {
      found.emplace_back(mark);
    }
  }
  for (size_t at = text.find('<'); at != std::string_view::npos; at = text.find('<', at + 1)) {
    if (const auto tag = tag_at(text.substr(at)); !tag.empty()) found.emplace_back(tag);
  }
  return found;
}

}  // namespace pretrain::test
