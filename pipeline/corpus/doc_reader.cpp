// SPDX-License-Identifier: Apache-2.0
// `<doc id="12" url="..." title="Anarchism">`, the title again, the text, `</doc>`; each tag ends its line. A
// line that looks like an opening tag always begins a document, so that a missing closing tag loses only one
// document and reading can begin anywhere.

#include "libs/base/text.h"
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

void trim_newlines(std::string& text) {
  text.erase(text.find_last_not_of('\n') + 1);
  text.erase(0, std::min(text.find_first_not_of('\n'), text.size()));
}

class DocReader : public RecordReader {
 public:
  DocReader(StreamBuffer& stream, const RecordRange& range)
      : stream_(stream), end_(range.end), outside_(range.start == 0 || range.start > range.begin) {
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
      const std::string_view words = trim_blanks(record.text);
      if (words.empty() || words == record.title) record.fault = SkipReason::kEmpty;
    }
    if (record.fault) record.text.clear();
  }

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
  bool outside_;
  bool too_long_ = false;
};

}  // namespace

std::unique_ptr<RecordReader> make_doc_reader(StreamBuffer& stream, const RecordRange& range,
                                              const DumpOptions& /*dump*/) {
  return std::make_unique<DocReader>(stream, range);
}

std::optional<Recognition> recognize_doc(const FileBeginning& beginning) {
  if (!beginning.text.starts_with("<doc ")) return std::nullopt;
  return Recognition{.format = TextFormat::kDoc};
}

}  // namespace pretrain
