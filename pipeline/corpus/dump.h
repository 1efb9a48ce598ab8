#pragma once
// What is known of a MediaWiki dump before its pages are read, and which of its pages are wanted. Plain
// values.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/enum_table.h"
#include "pipeline/corpus/wikitext/wiki_site.h"

namespace pretrain {

/// From the head of the file. Empty for fragments, which begin with a page.
struct DumpSite {
  std::string prefix;  ///< of its tags, such as "mw:"; mostly empty
  WikiSite wiki;
};

/// Disambiguation pages list the articles of one name: links and half sentences, a percent of the text. They
/// are left out unless asked for, since a model learns lists from them and little else.
enum class Disambiguation { kKeep, kDrop };
constexpr EnumName<Disambiguation> kDisambiguations[] = {{Disambiguation::kKeep, "keep"},
                                                         {Disambiguation::kDrop, "drop"}};
static_assert(is_in_order(kDisambiguations));

struct PageSelection {
  std::vector<int> namespaces{0};  ///< sorted
  Disambiguation disambiguation = Disambiguation::kDrop;

  bool wants(int page_namespace) const;
};

/// "0,1,14".
/// Errors: kUsage.
PageSelection parse_namespaces(std::string_view list);

/// What a dump's records are read with.
struct DumpOptions {
  DumpSite site;
  PageSelection pages;
  bool keep_wikitext = false;  ///< for whoever compares it with what becomes of it
};

/// The prefix of the first tag if it is `<mediawiki` or `<page`, of any prefix, after an XML declaration and
/// comments; nothing when the text is no dump.
std::optional<std::string> dump_prefix(std::string_view head);

/// Reads the siteinfo. Whatever it lacks, or can't be read, stays empty. `head` begins the file.
DumpSite read_dump_site(std::string_view head);

/// The encoding that the XML declaration names, in lower case; empty when it names none.
std::string declared_encoding(std::string_view head);

/// The namespace that a title is in by its prefix: siteinfo's names, or the English ones. Dumps before schema
/// 0.5 don't say it otherwise.
int namespace_of_title(const WikiSite& wiki, std::string_view title);

}  // namespace pretrain
