// SPDX-License-Identifier: Apache-2.0
// The files of an archive, one after the other, each read as a file of the corpus would be. A position in the archive
// is found again by reading the lines before the members up to it.

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

/// Reads the stream of archive_source.cpp: each file in it is recognized by its content and read by the reader of its
/// format, through a stream of its own that ends with the file.
class MemberReader : public RecordReader {
 public:
  MemberReader(StreamBuffer& stream, const RecordRange& range, const DumpOptions& options)
      : stream_(stream), start_(range.start), options_(options) {}

  bool next(Record& record) override {
    for (;;) {
      if (records_ != nullptr) {
        if (records_->next(record)) {
          translate(record);
          return true;
        }
        close_member();
      }
      const std::optional<MemberHead> head = next_member();
      if (!head) return false;
      if (open_member(*head, record)) return true;
    }
  }

 private:
  std::optional<MemberHead> next_member() {
    const Line* line = stream_.peek_line();
    if (line == nullptr) return std::nullopt;
    std::optional<MemberHead> head = parse_member_line(line->text);
    stream_.take_line();
    if (head) {
      begin_ = stream_.offset();
      end_ = begin_ + head->size_bytes;
    }
    return head;
  }

  /// True when the member is a record of its own, read whole or skipped.
  bool open_member(const MemberHead& head, Record& record) {
    const bool is_cut_off = stream_.window(1).empty();  // the line of the member is the last there is
    if (head.size_bytes == 0 || end_ <= start_ || is_cut_off) {
      stream_.skip_to(end_);
      return false;
    }
    Recognition recognition = recognize();
    if (!recognition.format) {
      skip(head, recognition.reason, record);
      return true;
    }
    if (*recognition.format == TextFormat::kText) {
      hold(head, record);
      return true;
    }
    DumpOptions options = options_;
    options.site = std::move(recognition.site);
    part_ = std::make_unique<PartSource>(stream_, head.size_bytes);
    inner_ = std::make_unique<StreamBuffer>(*part_, hooks_);
    const uint64_t start = start_ > begin_ ? start_ - begin_ : 0;
    records_ = make_record_reader(*recognition.format, *inner_, {.start = start}, options);
    return false;
  }

  Recognition recognize() {
    const uint64_t wanted = std::min<uint64_t>(end_ - begin_, kRecognizedBytes);
    HeadSource head(stream_.window(wanted).substr(0, wanted));
    Recognition recognition = recognize_format(head, options_.text, hooks_);
    if (recognition.is_archive) recognition.reason = "an archive in an archive; unpack it first";
    return recognition;
  }

  void skip(const MemberHead& head, const std::string& reason, Record& record) {
    record = Record{};
    record.offset = begin_;
    record.title = head.name;
    record.fault = SkipCause(SkipReason::kUnreadableMember, head.name + ": " + reason);
    stream_.skip_to(end_);
    record.end = stream_.offset();
  }

  /// Plain text is one document. It is held in memory, so its size is limited like that of any record.
  void hold(const MemberHead& head, Record& record) {
    record = Record{};
    record.offset = begin_;
    record.title = head.name;
    if (head.size_bytes > kMaxRecordBytes) {
      record.fault = SkipReason::kTooLong;
      stream_.skip_to(end_);
      record.end = stream_.offset();
      return;
    }
    const std::string_view window = stream_.window(head.size_bytes).substr(0, head.size_bytes);
    record.text = window.substr(utf8_mark_length(window));
    stream_.take(window.size());
    record.end = stream_.offset();
    unify_line_ends(record.text);
    if (is_blank(record.text)) record.fault = SkipReason::kEmpty;
  }

  /// Positions of a member are positions of the archive, too.
  void translate(Record& record) const {
    record.offset += begin_;
    record.end += begin_;
  }

  /// The rest of a member that its reader left is skipped.
  void close_member() {
    records_.reset();
    inner_.reset();
    part_.reset();
    stream_.skip_to(end_);
  }

  StreamBuffer& stream_;
  uint64_t start_;
  DumpOptions options_;
  ReadHooks hooks_;  // the outer stream notices a stop
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
  std::unique_ptr<ByteSource> part_;
  std::unique_ptr<StreamBuffer> inner_;
  std::unique_ptr<RecordReader> records_;
};

}  // namespace

std::unique_ptr<RecordReader> make_member_reader(StreamBuffer& stream, const RecordRange& range,
                                                 const DumpOptions& dump) {
  return std::make_unique<MemberReader>(stream, range, dump);
}

}  // namespace pretrain
