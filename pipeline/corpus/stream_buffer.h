// SPDX-License-Identifier: Apache-2.0
#pragma once
// A look-ahead window over a ByteSource, by bytes and by lines. Single-owner. Offsets count decompressed
// bytes.
// Memory: the window, at most about kMaxRecordBytes.
//
//   while (const Line* line = stream.peek_line()) {   // by lines; its text is valid until it is taken
//     if (!line->too_long) read(line->text);
//     stream.take_line();
//   }
//   const std::string_view bytes = stream.window(100);  // by bytes: at least 100, or all that are left
//   stream.take(parse(bytes));

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "libs/base/units.h"
#include "pipeline/corpus/decompressor.h"

namespace pretrain {

/// Longer lines and records are skipped. Far longer than any article (the longest of the English Wikipedia
/// have about 3 MB); bounds the memory for a file without line ends.
constexpr size_t kMaxRecordBytes = 64_MiB;

struct Line {
  uint64_t offset = 0;       ///< of its first byte
  uint64_t end = 0;          ///< where the next line begins
  std::string_view text;     ///< without the line end (LF or CRLF); empty when too long
  bool too_long = false;     ///< more than kMaxRecordBytes
  bool has_newline = false;  ///< false only for a last line without one
};

class StreamBuffer {
 public:
  /// `source` and `hooks` must outlive the buffer.
  StreamBuffer(ByteSource& source, const ReadHooks& hooks);

  const ByteSource& source() const { return source_; }

  /// Offset of the first byte that was not consumed yet.
  uint64_t offset() const { return offset_; }

  /// The next bytes: at least `wanted` unless the stream ends. Valid until the next call.
  /// Errors: Stopped; kData when the device fails.
  std::string_view window(size_t wanted);
  void take(size_t bytes);

  /// The next line, or nullptr at the end. Valid until the next call of anything but peek_line().
  /// At least simdjson's padding of readable bytes follow its text.
  const Line* peek_line();
  void take_line();
  /// Moves to the position after the next newline, but not beyond `limit`, without holding the skipped bytes.
  void skip_line(uint64_t limit);

  /// Moves to an offset, forward only except in a plain file.
  void skip_to(uint64_t offset);

 private:
  std::string_view held() const { return {storage_.get() + begin_, end_ - begin_}; }
  bool fill();
  void make_room();
  size_t capacity_for(size_t needed) const;
  void drop_long_line();

  ByteSource& source_;
  const ReadHooks& hooks_;
  std::unique_ptr<char[]> storage_;  // a vector would fill it with zeros
  size_t capacity_;
  size_t begin_ = 0;
  size_t end_ = 0;
  uint64_t offset_ = 0;
  bool ended_ = false;
  bool has_line_ = false;
  Line line_;
};

}  // namespace pretrain
