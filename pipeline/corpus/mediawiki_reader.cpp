// SPDX-License-Identifier: Apache-2.0
// Pages of a MediaWiki dump. A document is the page's title, a newline, and its cleaned text. Unwanted pages
// (other namespaces, redirects, disambiguations) are distinguished from damaged ones.

#include <utility>

#include <simdjson.h>

#include "libs/base/text.h"
#include "libs/wikitext/cleaner.h"
#include "pipeline/corpus/page_parser.h"
#include "pipeline/corpus/page_scanner.h"
#include "pipeline/corpus/recognize.h"
#include "pipeline/corpus/record_reader.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

class MediaWikiReader : public RecordReader {
 public:
  MediaWikiReader(StreamBuffer& stream, const RecordRange& range, const DumpOptions& options)
      : stream_(stream),
        scanner_(stream, options.site.prefix, range),
        options_(options),
        cleaner_(options.site.wiki, options.pages.rules.rules) {
    cleaner_.report_lost(options.on_lost_template);
  }

  bool next(Record& record) override {
    record = Record{};
    switch (scanner_.seek()) {
      case PageScanner::Found::kEnd:
        return false;
      case PageScanner::Found::kGap:
        read_gap(record);
        break;
      case PageScanner::Found::kPage:
        read_page(record);
        break;
    }
    return true;
  }

 private:
  /// A gap is one newline in the stream; it becomes a fault with the reason of the gap.
  void read_gap(Record& record) {
    record.offset = stream_.offset();
    const Gap& gap = *stream_.source().gap_after(record.offset);
    record.fault = SkipCause(gap.reason, gap.text);
    stream_.take(1);
    record.end = stream_.offset();
  }

  /// Damage of the page has priority over faults of its content, because the content may be incomplete.
  void read_page(Record& record) {
    record.offset = stream_.offset();
    parser_.begin();
    const PageScanner::Part last = feed_page(record);
    record.end = scanner_.offset();
    scanner_.finish();
    Page& page = parser_.page();
    record.title = page.title;
    if (last == PageScanner::Part::kUnclosed) {
      record.fault = SkipReason::kUnclosedPage;
    } else if (last == PageScanner::Part::kCut) {
      record.fault = SkipReason::kCutPage;
    } else if (!parser_.fault().empty()) {
      record.fault = SkipCause(SkipReason::kInvalidXml, parser_.fault());
    } else {
      judge(page, record);
    }
  }

  /// Reads a page to its end even if it is not well-formed XML, because the next page begins there.
  PageScanner::Part feed_page(Record& record) {
    bool good = true;
    std::string_view bytes;
    PageScanner::Part part = PageScanner::Part::kMore;
    while (part == PageScanner::Part::kMore) {
      part = scanner_.read(bytes);
      good = good && parser_.feed(repaired(bytes, record), part == PageScanner::Part::kClosed);
    }
    return part;
  }

  /// Valid UTF-8, which nearly all pages are, is passed on without a copy.
  std::string_view repaired(std::string_view bytes, Record& record) {
    if (simdjson::validate_utf8(bytes.data(), bytes.size())) return bytes;
    repaired_ = bytes;
    record.invalid_utf8 += repair_utf8(repaired_);
    return repaired_;
  }

  /// Checks the cheap conditions first: most pages of other namespaces need no cleaning.
  void judge(Page& page, Record& record) {
    if (page.title.empty()) {
      record.fault = SkipReason::kUntitledPage;
      return;
    }
    record.page_namespace =
        page.name_space ? *page.name_space : namespace_of_title(options_.site.wiki, page.title);
    record.redirects = page.redirects || cleaner_.is_redirect(page.text);
    if (!options_.pages.wants(*record.page_namespace)) {
      record.unwanted = SkipReason::kOtherNamespace;
    } else if (page.redirects) {
      record.unwanted = SkipReason::kRedirect;
    } else if (!page.model.empty() && page.model != "wikitext") {
      record.unwanted = SkipReason::kOtherModel;
    } else if (!page.has_text) {
      record.fault = SkipReason::kPageWithoutText;
    } else if (page.text_deleted) {
      record.fault = SkipReason::kDeletedText;
    } else if (page.text_too_long) {
      record.fault = SkipReason::kTooLong;
    } else {
      clean(page, record);
    }
  }

  void clean(const Page& page, Record& record) {
    if (record.redirects) {
      record.unwanted = SkipReason::kRedirect;
      return;
    }
    if (options_.pages.disambiguation == Disambiguation::kDrop && cleaner_.is_disambiguation(page.text)) {
      record.unwanted = SkipReason::kDisambiguation;
      return;
    }
    record.text = page.title + "\n";
    const size_t heading = record.text.size();
    // What {{PAGENAME}} shows: the title without its namespace.
    const size_t colon = *record.page_namespace == 0 ? std::string::npos : page.title.find(':');
    const std::string_view name = std::string_view(page.title).substr(colon + 1);  // npos + 1 is 0
    cleaner_.clean(page.text, record.text, name);
    if (!is_blank(std::string_view(record.text).substr(heading))) {
      if (options_.keep_wikitext) record.wikitext = page.text;
      return;
    }
    record.text.clear();
    record.fault = SkipReason::kEmpty;
  }

  StreamBuffer& stream_;
  PageScanner scanner_;
  DumpOptions options_;
  WikitextCleaner cleaner_;
  PageParser parser_;
  std::string repaired_;
};

bool is_log(std::string_view head) {
  const size_t item = head.find("<logitem>");
  return item != std::string_view::npos && item < head.find("<page>");
}

/// Whether all texts in the head are left out. One page may be empty; several consecutive ones are not.
bool is_stub(std::string_view head) {
  constexpr size_t kFewest = 3;
  size_t texts = 0;
  for (size_t at = head.find("<text "); at != std::string_view::npos; at = head.find("<text ", at + 1)) {
    const size_t end = head.find('>', at);
    if (end == std::string_view::npos) break;
    if (head[end - 1] != '/') return false;
    ++texts;
  }
  return texts >= kFewest;
}

}  // namespace

std::unique_ptr<RecordReader> make_mediawiki_reader(StreamBuffer& stream, const RecordRange& range,
                                                    const DumpOptions& options) {
  return std::make_unique<MediaWikiReader>(stream, range, options);
}

std::optional<Recognition> recognize_mediawiki(const FileBeginning& beginning) {
  if (!dump_prefix(beginning.head)) return std::nullopt;
  if (is_log(beginning.head)) return rejected("log of actions, which has no text");
  if (is_stub(beginning.head))
    return rejected("stubs: pages without their text; give the dump pages-articles");
  const std::string encoding = declared_encoding(beginning.head);
  if (!encoding.empty() && encoding != "utf-8" && encoding != "us-ascii")
    return rejected(fmt::format("XML in {}; convert it to UTF-8 first", encoding));
  return Recognition{.format = TextFormat::kMediaWiki, .site = read_dump_site(beginning.head)};
}

}  // namespace pretrain
