// SPDX-License-Identifier: Apache-2.0
#pragma once
// Parses one `<page>` element of a MediaWiki dump with expat. Single-owner; serves any number of pages. The
// parser only gets single elements, so no DOCTYPE and no entity beyond XML's five ever reaches it.
// Memory: the text of two revisions.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/units.h"

struct XML_ParserStruct;

namespace pretrain {

/// Longer texts are skipped. MediaWiki itself refuses to save more than 2 MiB.
constexpr size_t kMaxPageTextBytes = 16_MiB;

/// The content of a page, with the text of its newest revision: the one with the greatest timestamp, or the
/// last of several.
struct Page {
  std::string title;
  std::optional<int> name_space;  ///< dumps before schema 0.5 have none
  bool redirects = false;         ///< it has the tag `<redirect>`

  std::string text;   ///< wikitext
  std::string model;  ///< of the content: "wikitext", "wikibase-item"; empty when the dump doesn't say
  bool has_text = false;
  bool text_deleted = false;   ///< hidden by an administrator
  bool text_too_long = false;  ///< beyond kMaxPageTextBytes
};

class PageParser {
 public:
  PageParser();
  ~PageParser();
  PageParser(const PageParser&) = delete;
  PageParser& operator=(const PageParser&) = delete;

  /// Begins a page.
  void begin();
  /// Parses the next bytes of the page, in UTF-8; `last`: nothing follows. False if the page is not
  /// well-formed or, after the last bytes, not complete: see fault(). Passing a whole page at once is
  /// fastest.
  [[nodiscard]] bool feed(std::string_view bytes, bool last);

  /// The problem, such as "invalid XML (undefined entity)".
  const std::string& fault() const { return fault_; }
  /// The page as read so far.
  Page& page() { return page_; }

 private:
  enum class Field { kNone, kTitle, kNamespace, kTimestamp, kModel, kText };
  struct Handlers;
  /// A text that was cut out of the page.
  struct Cut {
    size_t position;  ///< in shortened_
    std::string_view text;
  };

  bool parse(std::string_view bytes, bool last);
  void cut_texts(std::string_view page);
  void stop(std::string_view reason);
  void begin_element(std::string_view name, const char** attributes);
  void begin_text(const char** attributes);
  void end_element();
  void end_field();
  void end_revision();
  void add_text(std::string_view bytes);
  bool copy_text();

  std::unique_ptr<XML_ParserStruct, void (*)(XML_ParserStruct*)> parser_;
  unsigned long salt_;  // not 0, because expat would then ask the system for a new one for each page
  Page page_;
  std::string best_timestamp_;
  bool has_revision_ = false;

  int depth_ = 0;
  bool in_revision_ = false;
  Field field_ = Field::kNone;
  int field_depth_ = 0;
  std::string shortened_;       // a page that is fed at once, without its texts
  std::vector<Cut> cuts_;       // in order
  size_t cuts_used_ = 0;        // the first ones
  std::string_view whole_;      // shortened_ while it is parsed and fields are copied from it
  size_t field_start_ = 0;      // in whole_
  bool needs_handler_ = false;  // a field can't be copied
  std::string value_;           // of a short field
  Page revision_;               // of which only what concerns the text is used
  std::string timestamp_;

  size_t fed_bytes_ = 0;
  int names_ = 0, unknown_names_ = 0;
  std::string fault_;
};

}  // namespace pretrain
