// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads a corpus file and decompresses it on the fly. Single-owner; memory is bounded for any input.
// Positions count decompressed bytes. A damaged or truncated stream delivers the bytes before the fault and
// then ends; the status says how it ended.

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "libs/base/file.h"
#include "pipeline/corpus/skip_reason.h"

namespace pretrain {

enum class StreamStatus {
  kOk,         ///< not at the end yet, or ended correctly
  kTruncated,  ///< the file stops in the middle of a stream
  kDamaged,    ///< a checksum or the structure is wrong
  kShrunk,     ///< the file became shorter while it was read
};

/// An undecompressible range that was skipped; represented by one newline.
struct Gap {
  uint64_t position = 0;     ///< of that newline
  uint64_t file_offset = 0;  ///< of the unreadable range
  SkipReason reason = SkipReason::kDamagedBlock;
  std::string_view text;  ///< for the user; static
};

/// Progress and stop of a long skip.
struct ReadHooks {
  std::stop_token stop;
  /// Called periodically with the number of decompressed bytes skipped so far and in total.
  std::function<void(uint64_t done, uint64_t total)> progress;
};

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// Fills up to out.size() bytes; returns 0 only at the end.
  /// Requires: out is not empty.
  /// Errors: kData, naming file and offset, when the device fails.
  size_t read(std::span<char> out);

  uint64_t position() const { return position_; }
  StreamStatus status() const { return status_; }
  /// The problem at the end of the stream, such as "truncated gzip stream"; empty if there is none.
  const std::string& reason() const { return reason_; }
  /// Whether other bytes follow the last complete stream. They are not delivered.
  bool trailing_garbage() const { return trailing_garbage_; }

  /// Moves to a decompressed offset: a seek in a plain file; otherwise everything in between is decompressed
  /// and dropped. Stops at the end of the stream.
  /// Requires: offset >= position(), except for a plain file.
  /// Errors: Stopped.
  virtual void skip_to(uint64_t offset, const ReadHooks& hooks);

  /// The end of the part for whose records this source was opened. Known before anything after it is read.
  static constexpr uint64_t kUnknown = std::numeric_limits<uint64_t>::max();
  virtual uint64_t records_end() const { return kUnknown; }
  /// The first gap at or after `position` in the part read so far.
  virtual const Gap* gap_after(uint64_t /*position*/) const { return nullptr; }
  /// A position as reported to the user: unchanged, or the file offset of the block that contains it.
  virtual uint64_t place_of(uint64_t position) const { return position; }

 protected:
  virtual size_t produce(std::span<char> out) = 0;
  void end_with(StreamStatus status, std::string reason);

  uint64_t position_ = 0;
  bool trailing_garbage_ = false;

 private:
  StreamStatus status_ = StreamStatus::kOk;
  std::string reason_;
};

/// Reads at `offset`.
/// Errors: kData, naming file and offset, when the device fails.
size_t read_file_at(const ReadableFile& file, uint64_t offset, std::span<std::byte> out);

}  // namespace pretrain
