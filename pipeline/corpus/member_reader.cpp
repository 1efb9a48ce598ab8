// SPDX-License-Identifier: Apache-2.0
// The files of an archive, one after the other, each read as a file of the corpus would be. A position in the archive
// is found again by reading the lines before the members up to it, and decompressing the compressed ones.

#include <algorithm>
#include <optional>
#include <utility>

#include "libs/base/text.h"
#include "pipeline/corpus/archive_source.h"
#include "pipeline/corpus/blocks.h"
#include "pipeline/corpus/recognize.h"
#include "pipeline/corpus/record_reader.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

/// The next bytes of another stream, as a source of their own.
class PartSource : public ByteSource {
 public:
  PartSource(StreamBuffer& stream, uint64_t bytes) : stream_(stream), left_(bytes) {}

 protected:
  size_t produce(std::span<char> out) override {
    const std::string_view window = stream_.window(1).substr(0, std::min<uint64_t>(out.size(), left_));
    std::ranges::copy(window, out.begin());
    stream_.take(window.size());
    left_ -= window.size();
    return window.size();
  }

 private:
  StreamBuffer& stream_;
  uint64_t left_;
};

/// Bytes in memory.
class HeadSource : public ByteSource {
 public:
  explicit HeadSource(std::string_view bytes) : bytes_(bytes) {}

 protected:
  size_t produce(std::span<char> out) override {
    const size_t taken = std::min(out.size(), bytes_.size());
    std::copy_n(bytes_.begin(), taken, out.begin());
    bytes_.remove_prefix(taken);
    return taken;
  }

 private:
  std::string_view bytes_;
};

/// Reads the stream of archive_source.cpp: each file in it is recognized by its content, decompressed, and read by the
/// reader of its format, through a stream of its own that ends with the file.
///
/// Positions count the bytes of the archive's stream, with those of a compressed file that is read counted as
/// decompressed. So the place after it is only known after it was decompressed, which a resume repeats.
class MemberReader : public RecordReader {
 public:
  MemberReader(StreamBuffer& stream, const RecordRange& range, const DumpOptions& options)
      : stream_(stream), start_(range.start), options_(options) {}

  bool next(Record& record) override {
    for (;;) {
      if (records_ != nullptr && records_->next(record)) {
        translate(record);
        return true;
      }
      if (inner_ != nullptr && close_member(record)) return true;
      if (!next_member()) return false;
      if (open_member(record)) return true;
    }
  }

 private:
  bool next_member() {
    const Line* line = stream_.peek_line();
    if (line == nullptr) return false;
    std::optional<MemberHead> head = parse_member_line(line->text);
    stream_.take_line();
    if (!head) return false;
    head_ = *std::move(head);
    end_ = stream_.offset() + head_.size_bytes;
    begin_ = stream_.offset() + grown_;
    return true;
  }

  /// True when the member is a record of its own, read whole or skipped.
  bool open_member(Record& record) {
    const bool is_cut_off = stream_.window(1).empty();  // the line of the member is the last there is
    if (head_.size_bytes == 0 || is_cut_off) return pass();
    const uint64_t wanted = std::min<uint64_t>(head_.size_bytes, kRecognizedBytes);
    const std::string_view bytes = stream_.window(wanted).substr(0, wanted);
    const Compression compression = recognize_compression(bytes, head_.name);
    const bool is_packed = compression != Compression::kNone;
    if (!is_packed && is_before_start(begin_ + head_.size_bytes)) return pass();
    if (is_packed) open_stream(compression);
    if (is_packed && inner_->window(1).empty() && unpacked_->status() == StreamStatus::kOk) return false;
    Recognition recognition = recognize(is_packed ? inner_->window(kRecognizedBytes) : bytes);
    if (!recognition.format) return skip(recognition.reason, record);
    if (*recognition.format == TextFormat::kText)
      return is_packed ? hold_unpacked(record) : hold(head_.size_bytes, stream_, record);
    if (!is_packed) open_stream(compression);
    DumpOptions options = options_;
    options.site = std::move(recognition.site);
    const uint64_t start = start_ > begin_ ? start_ - begin_ : 0;
    records_ = make_record_reader(*recognition.format, *inner_, {.start = start}, options);
    return false;
  }

  void open_stream(Compression compression) {
    part_ = std::make_unique<PartSource>(stream_, head_.size_bytes);
    if (compression != Compression::kNone) unpacked_ = open_packed(*part_, compression);
    inner_ = std::make_unique<StreamBuffer>(unpacked_ != nullptr ? *unpacked_ : *part_, hooks_);
  }

  Recognition recognize(std::string_view window) {
    const std::string_view bytes = window.substr(0, kRecognizedBytes);
    if (unpacked_ != nullptr) {
      if (bytes.empty() && unpacked_->status() != StreamStatus::kOk) return rejected(unpacked_->reason());
      if (recognize_compression(bytes, {}) != Compression::kNone) return rejected("compressed twice");
    }
    HeadSource head(bytes);
    Recognition recognition = recognize_format(head, options_.text, hooks_);
    if (recognition.is_archive) recognition.reason = "an archive in an archive; unpack it first";
    return recognition;
  }

  bool is_before_start(uint64_t end) const { return end <= start_; }

  bool pass() {
    stream_.skip_to(end_);
    return false;
  }

  /// What isn't read counts with the bytes that it has in the archive.
  bool skip(const std::string& reason, Record& record) {
    forget_streams();
    record = Record{};
    record.offset = begin_;
    record.title = head_.name;
    record.fault = SkipCause(SkipReason::kUnreadableMember, head_.name + ": " + reason);
    stream_.skip_to(end_);
    record.end = stream_.offset() + grown_;
    return !is_before_start(record.end);
  }

  /// Plain text is one document. It is held in memory, so its size is limited like that of any record.
  bool hold(uint64_t bytes, StreamBuffer& stream, Record& record) {
    record = Record{};
    record.offset = begin_;
    record.title = head_.name;
    const uint64_t begin = stream.offset();
    if (bytes > kMaxRecordBytes) {
      record.fault = SkipReason::kTooLong;
      stream.skip_to(begin + bytes);
    } else {
      const std::string_view window = stream.window(bytes).substr(0, bytes);
      record.text = window.substr(utf8_mark_length(window));
      stream.take(window.size());
      unify_line_ends(record.text);
      if (is_blank(record.text)) record.fault = SkipReason::kEmpty;
    }
    record.end = begin_ + stream.offset() - begin;
    return true;
  }

  bool hold_unpacked(Record& record) {
    hold(inner_->window(kMaxRecordBytes + 1).size(), *inner_, record);
    record.end = begin_ + take_rest();
    return !is_before_start(record.end);
  }

  /// Positions of a member are positions of the archive, too.
  void translate(Record& record) const {
    record.offset += begin_;
    record.end += begin_;
  }

  /// The size of the member, all of which was read then.
  uint64_t take_rest() {
    for (std::string_view rest = inner_->window(1); !rest.empty(); rest = inner_->window(1))
      inner_->take(rest.size());
    return inner_->offset();
  }

  void forget_streams() {
    inner_.reset();
    unpacked_.reset();
    part_.reset();
  }

  /// Why a compressed member ended too early; nothing where the archive did, which is reported for it.
  std::optional<SkipCause> damage() {
    const bool is_cut_off = stream_.offset() < end_ && stream_.window(1).empty();
    if (is_cut_off) return std::nullopt;
    if (unpacked_->trailing_garbage())
      return SkipCause(SkipReason::kTrailingGarbage, head_.name + ": garbage after the compressed stream");
    if (unpacked_->status() == StreamStatus::kOk) return std::nullopt;
    const bool truncated = unpacked_->status() == StreamStatus::kTruncated;
    return SkipCause(truncated ? SkipReason::kTruncatedStream : SkipReason::kDamagedStream,
                     head_.name + ": " + unpacked_->reason());
  }

  /// The rest of a member that its reader left is skipped. True when the end of the member is a record, of damage. It has
  /// a position of its own, so that a resume meets it once.
  bool close_member(Record& record) {
    bool is_fault = false;
    if (unpacked_ != nullptr) {
      record = Record{};
      record.title = head_.name;
      record.offset = begin_ + take_rest();
      record.fault = damage();
      record.end = record.offset + (record.fault ? 1 : 0);
      is_fault = record.fault && !is_before_start(record.end);
      grown_ = record.end - end_;
    }
    records_.reset();
    forget_streams();
    stream_.skip_to(end_);
    return is_fault;
  }

  StreamBuffer& stream_;
  uint64_t start_;
  DumpOptions options_;
  ReadHooks hooks_;  // the outer stream notices a stop
  MemberHead head_;
  uint64_t begin_ = 0;  // position of its content
  uint64_t end_ = 0;    // of its content, in the archive's stream
  uint64_t grown_ =
      0;  // what positions are ahead of the archive's stream, modulo 2^64: a file may have shrunk
  std::unique_ptr<PartSource> part_;
  std::unique_ptr<ByteSource> unpacked_;
  std::unique_ptr<StreamBuffer> inner_;
  std::unique_ptr<RecordReader> records_;
};

}  // namespace

std::unique_ptr<RecordReader> make_member_reader(StreamBuffer& stream, const RecordRange& range,
                                                 const DumpOptions& dump) {
  return std::make_unique<MemberReader>(stream, range, dump);
}

}  // namespace pretrain
