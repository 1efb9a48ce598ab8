// SPDX-License-Identifier: Apache-2.0
#pragma once
// Facts about a MediaWiki dump from before its pages, and the selection of pages. Plain values.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/enum_table.h"
#include "libs/wikitext/lost_template.h"
#include "libs/wikitext/wiki_site.h"
#include "pipeline/corpus/own_rules.h"

namespace pretrain {

/// Read from the head of the file. Empty for fragments, which begin with a page.
struct DumpSite {
  std::string prefix;  ///< of its tags, such as "mw:"; mostly empty
  WikiSite wiki;
};

/// Disambiguation pages list the articles of one name: links and half sentences, about 1 % of the text. They
/// are dropped by default, because a model learns little from them but lists.
enum class Disambiguation { kKeep, kDrop };
constexpr EnumName<Disambiguation> kDisambiguations[] = {{Disambiguation::kKeep, "keep"},
                                                         {Disambiguation::kDrop, "drop"}};
static_assert(is_in_order(kDisambiguations));

/// Which pages are read, and by which rules of the user's own.
struct PageSelection {
  std::vector<int> namespaces{0};  ///< sorted
  Disambiguation disambiguation = Disambiguation::kDrop;
  OwnRules rules;  ///< for templates

  bool wants(int page_namespace) const;
};

/// "0,1,14".
/// Errors: kUsage.
PageSelection parse_namespaces(std::string_view list);

/// How files that are not dumps are read.
struct TextReading {
  std::string key = "text";  ///< of JSON lines: that of the document
  bool paragraphs = false;   ///< blank lines separate documents of plain text
};

/// Options for reading the records of a dump, or of another file.
struct DumpOptions {
  DumpSite site;
  PageSelection pages;
  bool keep_wikitext = false;  ///< for comparing input and cleaned text
  TextReading text = {};
  wikitext::LostTemplateSink on_lost_template = {};
};

/// The prefix of the first tag after an XML declaration and comments, if it is `<mediawiki` or `<page` with
/// any prefix; nothing if the text is not a dump.
std::optional<std::string> dump_prefix(std::string_view head);

/// Reads the siteinfo from the head of the file. Parts that are missing or unreadable stay empty.
DumpSite read_dump_site(std::string_view head);

/// The encoding in the XML declaration, in lower case; empty if there is none.
std::string declared_encoding(std::string_view head);

/// The namespace of a title by its prefix: siteinfo's names, or the English ones. For dumps before schema
/// 0.5, which have no other information.
int namespace_of_title(const WikiSite& wiki, std::string_view title);

}  // namespace pretrain
