// SPDX-License-Identifier: Apache-2.0
#pragma once
// Splits the bytes of a shard into documents, with one reader for each text format. Single-owner. A record
// depends only on its own bytes, so a shard gives the same records whether it is read whole, in regions, or
// from the middle.

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/corpus/dump.h"
#include "pipeline/corpus/skip_reason.h"
#include "pipeline/corpus/stream_buffer.h"
#include "pipeline/corpus/text_format.h"

namespace pretrain {

/// A document, or a record that was skipped.
struct Record {
  uint64_t offset = 0;             ///< of its first byte
  uint64_t end = 0;                ///< where a reader continues after it
  std::string text;                ///< not necessarily UTF-8; line ends are LF except inside JSON
  std::string title;               ///< when known
  std::optional<SkipCause> fault;  ///< why it is skipped; nothing for a document
  /// The text is too long to be held in memory: it is the rest of the stream from the stream buffer's offset.
  bool streamed = false;
  /// Why a well-formed page of a dump is not wanted: its namespace, a redirect, a disambiguation.
  std::optional<SkipReason> unwanted;
  std::optional<int> page_namespace;  ///< of a well-formed page of a dump
  bool redirects = false;             ///< of a well-formed page of a dump in any namespace
  std::string wikitext;               ///< of a page that became a document, if requested
  uint64_t invalid_utf8 = 0;          ///< malformed byte runs of a page that were replaced
};

/// The part of a stream from which to read records: those whose first byte is in [begin, end).
struct RecordRange {
  uint64_t begin = 0;
  uint64_t end = std::numeric_limits<uint64_t>::max();
  /// Where to continue: `begin`, or the `end` of a record that was read before.
  uint64_t start = 0;
};

class RecordReader {
 public:
  virtual ~RecordReader() = default;
  /// The next document or fault; false at the end of the range or the stream.
  [[nodiscard]] virtual bool next(Record& record) = 0;
};

/// Moves `stream` to range.start and reads records from there. `stream` must outlive the reader.
/// `dump` is only used for dumps.
std::unique_ptr<RecordReader> make_record_reader(TextFormat format, StreamBuffer& stream,
                                                 const RecordRange& range, const DumpOptions& dump = {});

/// Moves `stream` to the first line that begins at or after range.start, but not beyond the end of the range:
/// a line may extend over many ranges, and reading all of it for each would be quadratic.
/// Requires: range.start is `begin`, or the beginning of a line.
void go_to_line(StreamBuffer& stream, const RecordRange& range);

/// The text of a line, without the byte order mark that a file may begin with.
std::string_view text_of(const Line& line);

}  // namespace pretrain
