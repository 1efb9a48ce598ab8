// SPDX-License-Identifier: Apache-2.0
// Documents separated by blank lines.

#include <algorithm>

#include "libs/base/text.h"
#include "pipeline/corpus/record_reader.h"

namespace pretrain {
namespace {

/// A line of more blanks than this counts as text, so that the bytes just before a region determine how it
/// begins.
constexpr size_t kMaxBlankLine = 256;

bool separates(const Line& line) {
  return !line.too_long && line.text.size() <= kMaxBlankLine && is_blank(text_of(line));
}

class ParagraphReader : public RecordReader {
 public:
  ParagraphReader(StreamBuffer& stream, const RecordRange& range) : stream_(stream), end_(range.end) {
    if (range.start == 0 || range.start > range.begin) {
      stream_.skip_to(range.start);
    } else {
      go_to_region(range.start);
    }
  }

  bool next(Record& record) override {
    while (stream_.offset() < end_) {
      const Line* line = stream_.peek_line();
      if (line == nullptr) return false;
      if (!separates(*line)) {
        read_paragraph(*line, record);
        return true;
      }
      stream_.take_line();
    }
    return false;
  }

 private:
  /// Moves to the first line at or after `begin` that does not continue an earlier paragraph.
  void go_to_region(uint64_t begin) {
    const uint64_t back = std::min<uint64_t>(begin, kMaxBlankLine + 3);
    stream_.skip_to(begin - back);
    // The first line may be truncated; that only matters if it is too long to be blank.
    const bool cut_off = begin > back;
    if (cut_off) stream_.skip_line(end_);
    for (bool blank_before = !cut_off; stream_.offset() < end_; stream_.take_line()) {
      const Line* line = stream_.peek_line();
      if (line == nullptr || (line->offset >= begin && blank_before)) return;
      blank_before = separates(*line);
    }
  }

  void read_paragraph(const Line& first, Record& record) {
    record = Record{};
    record.offset = first.offset;
    bool too_long = false;
    while (const Line* line = stream_.peek_line()) {
      const bool over = separates(*line);
      too_long = too_long || line->too_long || record.text.size() + line->text.size() > kMaxRecordBytes;
      if (too_long) {
        record.text.clear();
      } else if (!over) {
        record.text += text_of(*line);
        record.text += '\n';
      }
      record.end = line->end;
      stream_.take_line();
      if (over) break;
    }
    if (too_long) record.fault = SkipReason::kTooLong;
    if (!too_long) record.text.pop_back();
  }

  StreamBuffer& stream_;
  uint64_t end_;
};

}  // namespace

std::unique_ptr<RecordReader> make_paragraph_reader(StreamBuffer& stream, const RecordRange& range,
                                                    const DumpOptions& /*dump*/) {
  return std::make_unique<ParagraphReader>(stream, range);
}

}  // namespace pretrain
