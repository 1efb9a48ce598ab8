// SPDX-License-Identifier: Apache-2.0
#pragma once
// The common part of the decompressors: buffered input, and the loop around one step of a
// library. Single-owner. Used by compression.cpp and codecs.cpp only.

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/corpus/decompressor.h"

namespace pretrain {

/// The compressed bytes, from wherever they come.
class PackedBytes {
 public:
  virtual ~PackedBytes() = default;
  /// The next bytes; 0 only at the end.
  virtual size_t read(std::span<std::byte> out) = 0;
  /// Whether there were more bytes when the reading began.
  virtual bool shrunk() const { return false; }
};

/// A stream of concatenated members (gzip members, bzip2 streams, xz streams, zstd frames).
class CompressedSource : public ByteSource {
 public:
  /// `name` is the compression's, for reason().
  CompressedSource(std::unique_ptr<PackedBytes> packed, std::string_view name);

 protected:
  size_t produce(std::span<char> out) final;
  /// One step of the library: consumes input(), fills `out`, and calls an end function at the end of a
  /// member. Returns the number of bytes written. Called with empty input only at the end of the compressed bytes.
  virtual size_t decode(std::span<char> out) = 0;
  /// Prepares the library for the next member.
  virtual void restart() = 0;

  std::span<const std::byte> input() const { return input_; }
  void take(size_t bytes) { input_ = input_.subspan(bytes); }
  bool input_ended() const { return input_.empty() && packed_ended_; }
  /// Number of complete members.
  uint64_t members() const { return members_; }

  void end_member();
  void end_with_garbage();
  void end_truncated();
  void end_damaged(const std::string& detail);

 private:
  void refill();
  void begin_member();

  std::unique_ptr<PackedBytes> packed_;
  std::string name_;
  std::vector<std::byte> storage_;
  std::span<const std::byte> input_;
  bool packed_ended_ = false;
  uint64_t members_ = 0;
  bool between_members_ = false;
  bool ended_ = false;
};

std::unique_ptr<ByteSource> make_gzip_source(std::unique_ptr<PackedBytes> packed, std::string_view name);
std::unique_ptr<ByteSource> make_bzip2_source(std::unique_ptr<PackedBytes> packed, std::string_view name);
std::unique_ptr<ByteSource> make_xz_source(std::unique_ptr<PackedBytes> packed, std::string_view name);
std::unique_ptr<ByteSource> make_zstd_source(std::unique_ptr<PackedBytes> packed, std::string_view name);

}  // namespace pretrain
