// SPDX-License-Identifier: Apache-2.0
// Plain text: the whole file is one document.

#include "libs/base/text.h"
#include "pipeline/corpus/blocks.h"
#include "pipeline/corpus/record_reader.h"
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
    if (is_blank(record.text)) record.fault = SkipReason::kEmpty;
  }

  StreamBuffer& stream_;
  bool over_;
};

}  // namespace

std::unique_ptr<RecordReader> make_text_reader(StreamBuffer& stream, const RecordRange& range,
                                               const DumpOptions& /*dump*/) {
  return std::make_unique<TextReader>(stream, range);
}

}  // namespace pretrain
