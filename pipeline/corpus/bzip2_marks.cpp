// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/bzip2_marks.h"

#include <algorithm>
#include <string_view>

#include "libs/base/units.h"
#include "pipeline/corpus/decompressor.h"

namespace pretrain {
namespace {

constexpr size_t kWindowBytes = 64_KiB;
constexpr size_t kSpannedBytes = 7;  // a mark that begins inside a byte extends over six more

/// For each value of the byte after the one in which a mark begins: the bit positions at which a block mark
/// may have begun (low byte), and those for an end mark (high byte). Rules out 94 % of all bytes with one
/// look-up.
std::array<uint16_t, 256> make_filter() {
  std::array<uint16_t, 256> filter{};
  for (unsigned shift = 0; shift < 8; ++shift) {
    filter[(kBzip2BlockMark >> (32 + shift)) & 0xFF] |= static_cast<uint16_t>(1U << shift);
    filter[(kBzip2EndMark >> (32 + shift)) & 0xFF] |= static_cast<uint16_t>(0x100U << shift);
  }
  return filter;
}

const std::array<uint16_t, 256> kFilter = make_filter();

/// Marks have 48 bits and begin at any bit, so one that begins in a byte lies within seven bytes.
uint64_t load_56_bits(const uint8_t* bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < kSpannedBytes; ++i) value = value << 8 | bytes[i];
  return value;
}

/// The first mark in the byte that begins at `bytes`, at or after bit `least` of it.
std::optional<Bzip2Mark> mark_in_byte(const uint8_t* bytes, unsigned least) {
  constexpr uint64_t kMask = (uint64_t{1} << kBzip2MarkBits) - 1;
  const uint64_t bits = load_56_bits(bytes);
  for (unsigned shift = least; shift < 8; ++shift) {
    const uint64_t value = (bits >> (8 - shift)) & kMask;
    if (value == kBzip2BlockMark || value == kBzip2EndMark) return Bzip2Mark{shift, value == kBzip2BlockMark};
  }
  return std::nullopt;
}

/// The polynomial of CRC-32, with the highest bit first: bzip2 shifts left where gzip and zip shift right.
std::array<uint32_t, 256> make_checksum_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i << 24;
    for (int bit = 0; bit < 8; ++bit) value = value << 1 ^ ((value >> 31) != 0 ? 0x04c11db7U : 0U);
    table[i] = value;
  }
  return table;
}

}  // namespace

/// Windows are read at the place that is asked for, so a mark never lies across the end of one: the last six bytes
/// of a window are searched again with the next.
std::span<const uint8_t> Bzip2Marks::bytes_at(uint64_t at) {
  const bool inside = at >= window_at_ && at - window_at_ + kSpannedBytes <= window_.size();
  if (!inside) {
    window_.resize(kWindowBytes);
    window_at_ = at;
    const size_t got =
        at < file_.size() ? read_file_at(file_, at, std::as_writable_bytes(std::span(window_))) : 0;
    shrunk_ = shrunk_ || (got < window_.size() && at + got < file_.size());
    window_.resize(got);
  }
  return std::span<const uint8_t>(window_).subspan(static_cast<size_t>(at - window_at_));
}

std::optional<Bzip2Mark> Bzip2Marks::next(uint64_t from, uint64_t limit) {
  auto least = static_cast<unsigned>(from % 8);
  for (uint64_t at = from / 8; at * 8 < limit;) {
    const std::span<const uint8_t> bytes = bytes_at(at);
    if (bytes.size() < kSpannedBytes) return std::nullopt;
    const size_t count = bytes.size() - kSpannedBytes + 1;
    for (size_t i = 0; i < count; ++i, least = 0) {
      if (kFilter[bytes[i + 1]] == 0) continue;
      const auto found = mark_in_byte(bytes.data() + i, least);
      if (!found) continue;
      const Bzip2Mark mark{(at + i) * 8 + found->bit, found->begins_block};
      return mark.bit < limit ? std::optional(mark) : std::nullopt;
    }
    at += count;
  }
  return std::nullopt;
}

/// Copies bits to a byte boundary: a block that begins inside a byte becomes a stream that libbz2 can read.
void Bzip2Marks::append_bits(uint64_t begin, uint64_t end, std::string& out) {
  const uint64_t first = begin / 8;
  const auto shift = static_cast<unsigned>(begin % 8);
  const auto made = static_cast<size_t>((end - begin + 7) / 8);
  const size_t start = out.size();
  out.resize(start + made + 1, '\0');
  const size_t got = read_file_at(file_, first, std::as_writable_bytes(std::span(out)).subspan(start));
  std::fill(out.begin() + static_cast<int64_t>(start + got), out.end(), '\0');
  auto* bytes = reinterpret_cast<uint8_t*>(out.data() + start);
  for (size_t i = 0; i < made && shift > 0; ++i) {
    bytes[i] = static_cast<uint8_t>(bytes[i] << shift | bytes[i + 1] >> (8 - shift));
  }
  out.resize(start + made);
  const auto used = static_cast<unsigned>((end - begin) % 8);
  if (used > 0) bytes[made - 1] = static_cast<uint8_t>(bytes[made - 1] & (0xFF00U >> used));
}

bool Bzip2Marks::holds_data(uint64_t begin, uint64_t end) {
  for (uint64_t at = begin; at < end;) {
    const std::span<const uint8_t> bytes = bytes_at(at);
    const auto count = static_cast<size_t>(std::min<uint64_t>(bytes.size(), end - at));
    if (count == 0) return false;
    if (std::ranges::any_of(bytes.first(count), [](uint8_t byte) { return byte != 0; })) return true;
    at += count;
  }
  return false;
}

uint32_t bzip2_checksum(std::string_view content) {
  static const std::array<uint32_t, 256> kTable = make_checksum_table();
  uint32_t sum = 0xFFFFFFFF;
  for (const char c : content) sum = sum << 8 ^ kTable[(sum >> 24) ^ static_cast<uint8_t>(c)];
  return ~sum;
}

}  // namespace pretrain
