// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/record_reader.h"

#include "libs/base/check.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {

std::unique_ptr<RecordReader> make_record_reader(TextFormat format, StreamBuffer& stream,
                                                 const RecordRange& range, const DumpOptions& dump) {
  PRETRAIN_CHECK(range.begin <= range.start, "start {} before {}", range.start, range.begin);
  return row_of(format).make_reader(stream, range, dump);
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
