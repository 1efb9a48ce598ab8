// SPDX-License-Identifier: Apache-2.0
// A page of HTML: the whole file is one document, the text of its elements.

#include <algorithm>

#include "libs/base/text.h"
#include "pipeline/corpus/html_text.h"
#include "pipeline/corpus/recognize.h"
#include "pipeline/corpus/record_reader.h"

namespace pretrain {
namespace {

/// Of the regions of a file, the first has the page.
class HtmlReader : public RecordReader {
 public:
  HtmlReader(StreamBuffer& stream, const RecordRange& range) : stream_(stream), over_(range.start > 0) {}

  bool next(Record& record) override {
    if (over_) return false;
    over_ = true;
    const std::string_view window = stream_.window(kMaxRecordBytes + 1);
    if (window.empty()) return false;
    record = Record{};
    record.end = window.size();
    if (window.size() > kMaxRecordBytes) {
      record.fault = SkipReason::kTooLong;
    } else {
      read(window, record);
    }
    stream_.take(window.size());
    return true;
  }

 private:
  /// The title is the first line unless the page shows it itself, in a heading.
  static void read(std::string_view html, Record& record) {
    HtmlText page = html_text(html);
    record.title = std::move(page.title);
    const std::string_view first = std::string_view(page.text).substr(0, page.text.find('\n'));
    const bool titled = record.title.empty() || record.title.starts_with(first);
    if (page.too_deep) {
      record.fault = SkipCause(SkipReason::kInvalidXml, "invalid HTML (nested too deeply)");
    } else if (is_blank(page.text)) {
      record.fault = SkipReason::kEmpty;
    } else {
      record.text = titled ? std::move(page.text) : record.title + "\n" + page.text;
    }
  }

  StreamBuffer& stream_;
  bool over_;
};

}  // namespace

std::unique_ptr<RecordReader> make_html_reader(StreamBuffer& stream, const RecordRange& range,
                                               const DumpOptions& /*dump*/) {
  return std::make_unique<HtmlReader>(stream, range);
}

/// An XML declaration and comments may come before the tag that decides.
std::optional<Recognition> recognize_html(const FileBeginning& beginning) {
  std::string head(beginning.text.substr(0, 1024));
  std::ranges::transform(head, head.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  std::string_view text = head;
  while (text.starts_with("<?xml") || text.starts_with("<!--")) {
    const size_t end = text.find(text[1] == '?' ? "?>" : "-->");
    if (end == std::string_view::npos) return std::nullopt;
    text = trim_blanks(text.substr(text.find('>', end) + 1));
  }
  if (!text.starts_with("<!doctype html") && !text.starts_with("<html")) return std::nullopt;
  return Recognition{.format = TextFormat::kHtml};
}

}  // namespace pretrain
