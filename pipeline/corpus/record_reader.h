#pragma once
// Splits the bytes of a shard into documents, one reader per text format. Single-owner.
// What a record is depends on its own bytes only, so that a shard gives the same records whether it is read
// whole, in regions, or from the middle on.

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/corpus/dump.h"
#include "pipeline/corpus/stream_buffer.h"

namespace pretrain {

/// How a shard's text is laid out. A new format needs a reader, a name, and a line in recognize_format().
enum class TextFormat {
  kDoc,         ///< `<doc id= url= title=>` ... `</doc>`, as WikiExtractor writes it
  kJsonl,       ///< one JSON object a line, with the document in "text"
  kText,        ///< plain text, the whole file is one document
  kParagraphs,  ///< plain text, blank lines separate documents
  kMediaWiki,   ///< MediaWiki's XML export, as Wikipedia's dumps are published
};

/// "doc text", "JSON lines", "plain text", "paragraphs", "MediaWiki XML".
std::string_view format_name(TextFormat format);

/// A document, or a place where something was passed over.
struct Record {
  uint64_t offset = 0;  ///< of its first byte
  uint64_t end = 0;     ///< where a reader goes on after it
  std::string text;     ///< not necessarily UTF-8; line ends are LF except inside JSON
  std::string title;    ///< when known
  std::string fault;    ///< why it is passed over; empty for a document
  /// The text is too long to be held: it begins at the stream buffer's offset and goes on to the end of the
  /// stream.
  bool streamed = false;
  /// Why a sound page of a dump is not asked for: one of the texts below; empty for documents and faults.
  std::string_view unwanted;
  std::optional<int> page_namespace;  ///< of a sound page of a dump
  bool redirects = false;             ///< of a sound page of a dump, of any namespace
  std::string wikitext;               ///< of a page that became a document, when asked for
  uint64_t invalid_utf8 = 0;          ///< malformed byte runs of a page that were replaced
};

constexpr std::string_view kOtherNamespace = "other namespace";
constexpr std::string_view kRedirect = "redirect";
constexpr std::string_view kDisambiguation = "disambiguation";

/// The part of a stream to read records from: those whose first byte lies in [begin, end).
struct RecordRange {
  uint64_t begin = 0;
  uint64_t end = std::numeric_limits<uint64_t>::max();
  /// Where to go on: `begin`, or the `end` of a record that was read before.
  uint64_t start = 0;
};

class RecordReader {
 public:
  virtual ~RecordReader() = default;
  /// The next document or fault; false when the range or the stream is over.
  [[nodiscard]] virtual bool next(Record& record) = 0;
};

/// Moves `stream` to range.start and reads records from there. `stream` must outlive the reader.
/// `dump` counts for kMediaWiki only.
std::unique_ptr<RecordReader> make_record_reader(TextFormat format, StreamBuffer& stream,
                                                 const RecordRange& range, const DumpOptions& dump = {});

/// One per format; use make_record_reader().
std::unique_ptr<RecordReader> make_doc_reader(StreamBuffer& stream, const RecordRange& range);
std::unique_ptr<RecordReader> make_jsonl_reader(StreamBuffer& stream, const RecordRange& range);
std::unique_ptr<RecordReader> make_paragraph_reader(StreamBuffer& stream, const RecordRange& range);
std::unique_ptr<RecordReader> make_mediawiki_reader(StreamBuffer& stream, const RecordRange& range,
                                                    const DumpOptions& options);

/// Moves `stream` to the first line that begins at or after range.start, or to the end of the range when none
/// does before: a line may go on through many ranges, and each of them must not read all of it.
/// Requires: range.start is `begin`, or the beginning of a line.
void go_to_line(StreamBuffer& stream, const RecordRange& range);

/// The text of a line, without the byte order mark that a file may begin with.
std::string_view text_of(const Line& line);

}  // namespace pretrain
