// SPDX-License-Identifier: Apache-2.0
// `<doc id="12" url="..." title="Anarchism">`, the title again, the text, `</doc>`; each tag ends its line. A
// line that looks like an opening tag always begins a document, so that a missing closing tag loses only one
// document and reading can begin anywhere.

#include <algorithm>
#include <utility>

#include "libs/base/text.h"
#include "libs/base/units.h"
#include "pipeline/corpus/blocks.h"
#include "pipeline/corpus/recognize.h"
#include "pipeline/corpus/record_reader.h"

namespace pretrain {
namespace {

bool is_opening(std::string_view line) {
  return line.starts_with("<doc ") && trim_blanks(line).ends_with('>');
}
bool is_closing(std::string_view line) {
  return trim_blanks(line).ends_with("</doc>");
}

/// Titles may hold quotes, so the value ends with the tag's last quote; title is the last attribute.
std::string_view title_of(std::string_view opening) {
  static constexpr std::string_view kKey = " title=\"";
  const size_t key = opening.find(kKey);
  if (key == std::string_view::npos) return {};
  const std::string_view value = opening.substr(key + kKey.size());
  const size_t quote = value.rfind('"');
  return quote == std::string_view::npos ? std::string_view() : value.substr(0, quote);
}

/// What WikiExtractor writes with --html-safe: the five escapes of Python's html.escape().
constexpr std::pair<std::string_view, char> kEscapes[] = {
    {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#x27;", '\''}};

/// The escape at the start of `text`; null if it is none.
const std::pair<std::string_view, char>* escape_at(std::string_view text) {
  const auto* found =
      std::ranges::find_if(kEscapes, [&](const auto& e) { return text.starts_with(e.first); });
  return found == std::end(kEscapes) ? nullptr : found;
}

/// Whether `text` holds a character that would have been escaped.
bool has_unescaped(std::string_view text) {
  for (size_t at = text.find_first_of("<>&"); at != std::string_view::npos;
       at = text.find_first_of("<>&", at + 1)) {
    if (text[at] != '&' || escape_at(text.substr(at)) == nullptr) return true;
  }
  return false;
}

/// Decodes each escape once, unless the text was not escaped.
void unescape(std::string& text) {
  if (text.find('&') == std::string::npos || has_unescaped(text)) return;
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    const auto* escape = text[at] == '&' ? escape_at(std::string_view(text).substr(at)) : nullptr;
    text[end++] = escape == nullptr ? text[at] : escape->second;
    at += escape == nullptr ? 1 : escape->first.size();
  }
  text.resize(end);
}

/// Whether documents in `head` are escaped: a line between the tags has an escape, and none has a character that
/// would have been escaped.
bool is_escaped(std::string_view head) {
  bool found = false;
  for (size_t at = 0; at < head.size();) {
    const size_t end = head.find('\n', at);
    if (end == std::string_view::npos) break;  // a line cut anywhere
    const std::string_view line = head.substr(at, end - at);
    const bool text = !is_opening(line) && !is_closing(line);
    if (text && has_unescaped(line)) return false;
    found = found || (text && line.find('&') != std::string_view::npos);
    at = end + 1;
  }
  return found;
}

void trim_newlines(std::string& text) {
  text.erase(text.find_last_not_of('\n') + 1);
  text.erase(0, std::min(text.find_first_not_of('\n'), text.size()));
}

class DocReader : public RecordReader {
 public:
  DocReader(StreamBuffer& stream, const RecordRange& range, bool escaped)
      : stream_(stream),
        end_(range.end),
        escaped_(escaped),
        outside_(range.start == 0 || range.start > range.begin) {
    go_to_line(stream_, range);
  }

  bool next(Record& record) override {
    record = Record{};
    if (pass_stray_text(record)) return true;
    const Line* line = line_in_range();
    if (line == nullptr) return false;
    read_document(*line, record);
    return true;
  }

 private:
  /// Moves to the next opening tag of the range. True if there was text before it outside of any document; in
  /// the middle of a file this is only known after a closing tag.
  bool pass_stray_text(Record& record) {
    bool stray = false;
    while (const Line* line = line_in_range()) {
      const std::string_view text = text_of(*line);
      if (is_opening(text)) break;
      if (outside_ && !stray && (line->too_long || !is_blank(text))) {
        stray = true;
        record.offset = line->offset;
      }
      outside_ = outside_ || is_closing(text);
      record.end = line->end;
      stream_.take_line();
    }
    if (stray) record.fault = SkipReason::kOutsideDocument;
    return stray;
  }

  /// A document belongs to the range in which its opening tag begins.
  const Line* line_in_range() { return stream_.offset() < end_ ? stream_.peek_line() : nullptr; }

  void read_document(const Line& opening, Record& record) {
    record.offset = opening.offset;
    record.end = opening.end;
    record.title = title_of(text_of(opening));
    stream_.take_line();
    const bool closed = read_body(record);
    outside_ = true;
    if (too_long_) {
      record.fault = SkipReason::kTooLong;
    } else if (!closed) {
      record.fault = SkipReason::kUnclosedDocument;
    } else {
      trim_newlines(record.text);
      if (escaped_) unescape(record.text);
      const std::string_view words = trim_blanks(record.text);
      if (words.empty() || words == record.title) record.fault = SkipReason::kEmpty;
    }
    if (record.fault) record.text.clear();
  }

  /// False at an opening tag: the document before it was not closed, and the tag belongs to the next one.
  bool read_body(Record& record) {
    too_long_ = false;
    while (const Line* line = stream_.peek_line()) {
      if (is_opening(line->text)) return false;
      const bool closes = is_closing(line->text);
      append(*line, closes, record.text);
      record.end = line->end;
      stream_.take_line();
      if (closes) return true;
    }
    return false;
  }

  void append(const Line& line, bool closes, std::string& text) {
    too_long_ = too_long_ || line.too_long || text.size() + line.text.size() > kMaxRecordBytes;
    if (too_long_) {
      text.clear();
    } else {
      text += closes ? line.text.substr(0, line.text.rfind("</doc>")) : line.text;
      text += '\n';
    }
  }

  StreamBuffer& stream_;
  uint64_t end_;
  bool escaped_;
  bool outside_;
  bool too_long_ = false;
};

}  // namespace

std::unique_ptr<RecordReader> make_doc_reader(StreamBuffer& stream, const RecordRange& range,
                                              const DumpOptions& /*dump*/) {
  return std::make_unique<DocReader>(stream, range, false);
}

std::unique_ptr<RecordReader> make_escaped_doc_reader(StreamBuffer& stream, const RecordRange& range,
                                                      const DumpOptions& /*dump*/) {
  return std::make_unique<DocReader>(stream, range, true);
}

std::optional<Recognition> recognize_doc(const FileBeginning& beginning) {
  if (!beginning.text.starts_with("<doc ")) return std::nullopt;
  constexpr size_t kLookedAt = 1_MiB;  // some languages have few characters that are escaped
  const bool escaped = is_escaped(beginning.stream.window(kLookedAt));
  return Recognition{.format = escaped ? TextFormat::kEscapedDoc : TextFormat::kDoc};
}

}  // namespace pretrain
