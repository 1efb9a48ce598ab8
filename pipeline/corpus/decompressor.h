#pragma once
// The bytes of a corpus file, decompressed on the fly. Single-owner; memory is bounded for any input.
// Positions count decompressed bytes. A damaged or truncated stream delivers what came before the fault and
// then ends; the status says how it ended.

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "libs/base/file.h"

namespace pretrain {

enum class StreamStatus {
  kOk,         ///< not at the end yet, or ended as it should
  kTruncated,  ///< the file stops in the middle of a stream
  kDamaged,    ///< a checksum or the structure is wrong
  kShrunk,     ///< the file became shorter while it was read
};

/// A part of a file that can't be decompressed, where reading goes on behind it. One newline stands for it.
struct Gap {
  uint64_t position = 0;     ///< of that newline
  uint64_t file_offset = 0;  ///< of what can't be read
  std::string_view reason;   ///< static
};

/// What a long skip reports to and is stopped by.
struct ReadHooks {
  std::stop_token stop;
  /// Called now and then with the decompressed bytes passed over and to pass over.
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
  /// How the stream ended, such as "truncated gzip stream"; empty when it is sound.
  const std::string& reason() const { return reason_; }
  /// Whether bytes that are no stream follow the last good stream (they are not delivered).
  bool trailing_garbage() const { return trailing_garbage_; }

  /// Moves to a decompressed offset: a seek in a plain file, else everything in between is decompressed and
  /// dropped. Ends early at the end of the stream.
  /// Requires: offset >= position(), except for a plain file.
  /// Errors: Stopped.
  virtual void skip_to(uint64_t offset, const ReadHooks& hooks);

  /// Where the part ends whose records this source was opened for. Known before anything behind it is read.
  static constexpr uint64_t kUnknown = std::numeric_limits<uint64_t>::max();
  virtual uint64_t records_end() const { return kUnknown; }
  /// The first gap at or after `position` among what was read.
  virtual const Gap* gap_after(uint64_t /*position*/) const { return nullptr; }
  /// How a position is reported: as it is, or as the offset in the file of the block that holds it.
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
