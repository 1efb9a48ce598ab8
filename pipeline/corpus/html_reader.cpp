// SPDX-License-Identifier: Apache-2.0
// A page of HTML: the whole file is one document, the text of its elements.

#include <algorithm>
#include <array>

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

namespace {

/// `<p>` or `<p class="x">`, in small letters.
bool begins_with_tag(std::string_view text, std::string_view name) {
  if (!text.starts_with('<') || !text.substr(1).starts_with(name)) return false;
  const size_t end = 1 + name.size();
  return end < text.size() && (text[end] == '>' || text[end] == ' ' || text[end] == '\n');
}

/// A part of a page, as APIs deliver it: it begins with the tag of a block, and others are closed. Wikitext may have
/// such tags, too, but links as well.
bool is_fragment(std::string_view text) {
  static constexpr std::array<std::string_view, 16> kBlocks{
      "p",    "div", "body", "head", "title",   "h1",    "h2",     "h3",
      "main", "nav", "meta", "link", "article", "table", "header", "section"};
  const auto begins = [&](std::string_view name) { return begins_with_tag(text, name); };
  if (std::ranges::none_of(kBlocks, begins)) return false;
  const size_t closing = text.find("</");
  return closing != std::string_view::npos && text.find("</", closing + 2) != std::string_view::npos &&
         text.find("[[") == std::string_view::npos;
}

}  // namespace

/// An XML declaration and comments may come before the tag that decides.
std::optional<Recognition> recognize_html(const FileBeginning& beginning) {
  std::string head(beginning.text.substr(0, 4096));
  std::ranges::transform(head, head.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  std::string_view text = head;
  while (text.starts_with("<?xml") || text.starts_with("<!--")) {
    const size_t end = text.find(text[1] == '?' ? "?>" : "-->");
    if (end == std::string_view::npos) return std::nullopt;
    text = trim_blanks(text.substr(text.find('>', end) + 1));
  }
  if (!text.starts_with("<!doctype html") && !text.starts_with("<html") && !is_fragment(text))
    return std::nullopt;
  return Recognition{.format = TextFormat::kHtml};
}

}  // namespace pretrain
