// SPDX-License-Identifier: Apache-2.0
#pragma once
// The text of a page of HTML, by the rules that wikitext is cleaned by: paragraphs, headings and items of lists on
// lines of their own; no scripts, references, pictures, forms, infoboxes or boxes for navigation. Thread-safe: a free
// function.

#include <string>
#include <string_view>

namespace pretrain {

struct HtmlText {
  std::string title;  ///< of the element `title`
  std::string text;
  bool too_deep = false;  ///< elements are nested as no page has them; the text ends there
};

/// Any bytes are a valid page; those that are not UTF-8 are replaced. The time is linear in the size of the page.
HtmlText html_text(std::string_view html);

}  // namespace pretrain
