// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds the marks in a bzip2 file: the 48 bits, at any bit position, at the start of each block and each end
// of a stream. They are what makes it possible to start reading in the middle. Single-owner.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libs/base/file.h"

namespace pretrain {

constexpr uint64_t kBzip2BlockMark = 0x314159265359;
constexpr uint64_t kBzip2EndMark = 0x177245385090;
constexpr uint64_t kBzip2MarkBits = 48;
constexpr uint64_t kBzip2ChecksumBits = 32;  ///< follow either mark

struct Bzip2Mark {
  uint64_t bit = 0;  ///< of the file, where the mark begins
  bool begins_block = false;
};

/// Finds marks and extracts bits. Random data looks like a mark once in 2^47 bits, and a malicious file may
/// have many false marks, so a block only counts after its checksum was verified.
class Bzip2Marks {
 public:
  /// `file` must outlive this.
  explicit Bzip2Marks(const ReadableFile& file) : file_(file) {}

  /// The first mark that begins in [from, limit); empty if there is none, also when the file ends before
  /// `limit`.
  /// Errors: kData when the device fails.
  std::optional<Bzip2Mark> next(uint64_t from, uint64_t limit);

  /// Appends the bits [begin, end), shifted to a byte boundary and padded with zero bits. The file may end
  /// earlier.
  void append_bits(uint64_t begin, uint64_t end, std::string& out);

  /// Whether any byte in [begin, end) is not zero.
  bool holds_data(uint64_t begin, uint64_t end);

  uint64_t file_bits() const { return file_.size() * 8; }
  /// Whether the file became shorter since it was opened.
  bool shrunk() const { return shrunk_; }

 private:
  /// Bytes from `at` on, some 64 KiB; fewer only at the end of the file.
  std::span<const uint8_t> bytes_at(uint64_t at);

  const ReadableFile& file_;
  std::vector<uint8_t> window_;
  uint64_t window_at_ = 0;
  bool shrunk_ = false;
};

/// The checksum of a block with this content.
/// Source: bzip2's CRC-32 (polynomial 0x04c11db7, most significant bit first).
uint32_t bzip2_checksum(std::string_view content);

}  // namespace pretrain
