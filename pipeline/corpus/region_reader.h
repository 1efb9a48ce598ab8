// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads one region of one shard: the pieces of text for a role, and the records that were skipped.
// Single-owner.
// Memory: one document of at most kMaxRecordBytes and the stream's window.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "pipeline/corpus/blocks.h"
#include "pipeline/corpus/compression.h"
#include "pipeline/corpus/cursor.h"
#include "pipeline/corpus/decompressor.h"
#include "pipeline/corpus/document_signature.h"
#include "pipeline/corpus/record_reader.h"
#include "pipeline/corpus/region.h"
#include "pipeline/corpus/stream_buffer.h"

namespace pretrain {

/// The part of the corpus to deliver. Every document, or block of a long one, belongs to exactly one of the
/// two.
enum class Role { kTraining, kHeldOut };

struct Selection {
  Role role = Role::kTraining;
  double validation_fraction = 0;
  PageSelection pages;
  TextReading text = {};
  uint64_t min_words = 0;   ///< of a training document that is read whole
  bool signatures = false;  ///< of training documents
};

/// What is known of a document before it is delivered. Not of one that is too long to be held in memory.
struct DocumentFacts {
  DocumentSignature signature;
  std::string title;  ///< when known
};

/// A part of a document, in order. The pieces of a document joined are its text; in a long document, blocks
/// of the other role are missing. Not necessarily UTF-8: see repair_utf8().
struct TextPiece {
  std::string text;
  bool begins_document = false;
  bool ends_document = false;
  Place place;                ///< of the document
  uint64_t invalid_utf8 = 0;  ///< malformed byte runs that were replaced while it was read
  /// Of a document that begins here, if signatures are requested.
  std::shared_ptr<const DocumentFacts> facts = nullptr;
};

class RegionReader {
 public:
  /// Starts the region, or continues at `start`, a position() of an earlier reader of the same region.
  /// Errors: kData when the device fails; Stopped.
  RegionReader(ReadableFile file, const Shard& shard, const Region& region, const Selection& selection,
               const Position& start, const ReadHooks& hooks);
  RegionReader(const RegionReader&) = delete;
  RegionReader& operator=(const RegionReader&) = delete;

  enum class Step {
    kPiece,    ///< piece() is the next text
    kSkip,     ///< fault() was skipped
    kPassed,   ///< a document of the other role, or a page that is not wanted
    kEnd,      ///< the end of the region
    kChanged,  ///< the file became shorter while it was read; the region ends here
  };
  [[nodiscard]] Step next();

  TextPiece& piece() { return piece_; }
  /// The skipped record; its text is empty.
  const Record& fault() const { return fault_; }
  /// Why the page is not wanted; nothing for a document of the other role.
  std::optional<SkipReason> unwanted() const { return record_.unwanted; }
  /// The namespace of the page of the last step, if it was a well-formed page of a dump.
  std::optional<int> page_namespace() const { return record_.page_namespace; }
  /// Whether that page is a redirect.
  bool redirects() const { return record_.redirects; }
  /// Bytes of text that the last step read without delivering them.
  uint64_t passed_bytes() const { return passed_bytes_; }
  /// Whether no further step will deliver anything.
  bool over() const { return checked_end_; }
  /// The position from which to continue after the last step, unless over().
  Position position() const { return position_; }

 private:
  struct Block {
    uint64_t position = 0;
    std::string text;
  };

  void start_at(const Position& start);
  void enter_long_text(uint64_t inside, bool begun);
  uint64_t first_cut();
  Step begin_document();
  Step deliver();
  Step finish();
  Step skip(uint64_t offset, SkipCause cause);
  Step skip_short();
  bool is_too_short() const;
  std::shared_ptr<const DocumentFacts> facts_of_record() const;

  void open_blocks(uint64_t inside, bool begun);
  std::optional<Block> next_block();
  std::string_view rest_of_document(size_t wanted);
  void take_of_document(size_t bytes);
  bool is_long() const { return record_.streamed || record_.text.size() > kLongDocumentBytes; }
  bool is_mine(std::string_view text) const;

  ReadHooks hooks_;
  Selection selection_;
  Region region_;
  RecordRange range_;  // the region in the stream's positions
  DumpOptions dump_;
  TextFormat format_;
  Compression compression_;
  std::unique_ptr<ByteSource> source_;
  StreamBuffer stream_;
  std::unique_ptr<RecordReader> records_;

  Record record_;
  uint64_t inside_ = 0;            // bytes of the record's text that next_block() has consumed
  std::optional<Block> upcoming_;  // read ahead, to know which piece is the last of its document
  bool begun_ = false;
  std::shared_ptr<const DocumentFacts> facts_;  // of the document whose first piece comes next
  bool checked_end_ = false;

  TextPiece piece_;
  Record fault_;
  uint64_t passed_bytes_ = 0;
  Position position_;
};

}  // namespace pretrain
