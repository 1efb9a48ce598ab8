#include "pipeline/corpus/record_reader.h"

#include "libs/base/check.h"
#include "libs/base/text.h"
#include "pipeline/corpus/blocks.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

/// The whole stream as one document. A short one is held in memory, because its whole text decides whether it
/// is held out for validation.
class TextReader : public RecordReader {
 public:
  TextReader(StreamBuffer& stream, const RecordRange& range) : stream_(stream), over_(range.start > 0) {
    stream_.skip_to(range.start);
  }

  bool next(Record& record) override {
    if (over_) return false;
    over_ = true;
    const std::string_view window = stream_.window(kLongDocumentBytes + 1);
    if (window.empty()) return false;
    record = Record{};
    record.streamed = window.size() > kLongDocumentBytes;
    if (!record.streamed) hold(window, record);
    return true;
  }

 private:
  void hold(std::string_view window, Record& record) {
    record.text = window.substr(utf8_mark_length(window));
    record.end = stream_.offset() + window.size();
    stream_.take(window.size());
    unify_line_ends(record.text);
    if (is_blank(record.text)) record.fault = "empty";
  }

  StreamBuffer& stream_;
  bool over_;
};

}  // namespace

/// Part of the checkpoint format: the catalog stores these names.
std::string_view format_name(TextFormat format) {
  switch (format) {
    case TextFormat::kDoc:
      return "doc text";
    case TextFormat::kJsonl:
      return "JSON lines";
    case TextFormat::kText:
      return "plain text";
    case TextFormat::kParagraphs:
      return "paragraphs";
    case TextFormat::kMediaWiki:
      return "MediaWiki XML";
  }
  return "plain text";
}

std::unique_ptr<RecordReader> make_record_reader(TextFormat format, StreamBuffer& stream,
                                                 const RecordRange& range, const DumpOptions& dump) {
  PRETRAIN_CHECK(range.begin <= range.start, "start {} before {}", range.start, range.begin);
  switch (format) {
    case TextFormat::kDoc:
      return make_doc_reader(stream, range);
    case TextFormat::kJsonl:
      return make_jsonl_reader(stream, range);
    case TextFormat::kParagraphs:
      return make_paragraph_reader(stream, range);
    case TextFormat::kMediaWiki:
      return make_mediawiki_reader(stream, range, dump);
    case TextFormat::kText:
      break;
  }
  return std::make_unique<TextReader>(stream, range);
}

/// A region begins at any byte. Its first line is the one after the next newline; skipping from the byte
/// before makes sure that a line which begins exactly at the region's start is not skipped.
void go_to_line(StreamBuffer& stream, const RecordRange& range) {
  if (range.start == 0 || range.start > range.begin) {
    stream.skip_to(range.start);
    return;
  }
  stream.skip_to(range.start - 1);
  stream.skip_line(range.end);
}

std::string_view text_of(const Line& line) {
  return line.offset == 0 ? line.text.substr(utf8_mark_length(line.text)) : line.text;
}

}  // namespace pretrain
