// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/bzip2_blocks.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <bzlib.h>

#include "libs/base/check.h"
#include "libs/base/units.h"
#include "pipeline/corpus/bzip2_marks.h"

namespace pretrain {
namespace {

/// The longest possible block: 900,000 symbols of at most 20 bits, and the tables.
constexpr uint64_t kMaxBlockBits = 4_MiB * 8;
/// The shortest possible block: the bits before its first symbol.
constexpr uint64_t kMinBlockBits = 160;
/// The largest content of a block: 900,000 symbols, of which each five become at most 259 bytes.
constexpr size_t kMaxContentBytes = 48'000'000;
constexpr size_t kUsualContentBytes = 1_MiB;  // bzip2 -9 compresses blocks of 900 kB
constexpr uint64_t kHeaderBits = 32;          // "BZh9"
constexpr uint64_t kMarkAndChecksumBits = kBzip2MarkBits + kBzip2ChecksumBits;
/// Maximum number of false marks inside a block. Even one is extremely rare, but a malicious file could have
/// very many, and each costs an attempt to decompress.
constexpr int kMaxFalseMarks = 2;

struct GapKind {
  SkipReason reason;
  std::string_view text;
};
constexpr GapKind kDamaged{SkipReason::kDamagedBlock, "damaged bzip2 block"};
constexpr GapKind kTruncated{SkipReason::kTruncatedStream, "truncated bzip2 stream"};
constexpr GapKind kGarbage{SkipReason::kTrailingGarbage, "garbage after the bzip2 stream"};
constexpr GapKind kBomb{SkipReason::kDecompressionBomb, "unpacks to more than 1 GiB a MiB"};

/// The result of decompressing the bits from one mark to another.
enum class Outcome {
  kGood,
  kGoodWithRest,  ///< the block is intact, but the bits after it are neither a block nor an end
  kBad,
};

/// Decompresses single blocks.
class BlockDecoder {
 public:
  explicit BlockDecoder(Bzip2Marks& marks) : marks_(marks) {}

  /// Sets `content` to that of the block, or to empty.
  Outcome decode(uint64_t begin, uint64_t end, std::string& content) {
    content.clear();
    if (end - begin < kMinBlockBits) return Outcome::kBad;
    const uint32_t checksum = wrap(begin, end);
    const int result = unpack();
    const std::string_view made(buffer_.data(), made_);
    const bool good = result == BZ_STREAM_END;
    if (good || (made_ > 0 && bzip2_checksum(made) == checksum)) content = made;
    if (buffer_.size() > 4 * kUsualContentBytes) std::vector<char>().swap(buffer_);
    if (good) return Outcome::kGood;
    return content.empty() ? Outcome::kBad : Outcome::kGoodWithRest;
  }

  /// Length of the last block in bits, to within some bytes; known if more input followed it.
  uint64_t bits_taken() const { return bits_taken_; }

 private:
  /// Builds a bzip2 stream with only this block, for libbz2: header, block, end mark, checksum (that of the
  /// block).
  uint32_t wrap(uint64_t begin, uint64_t end) {
    packed_ = "BZh9";
    std::string checksum;
    marks_.append_bits(begin + kBzip2MarkBits, begin + kMarkAndChecksumBits, checksum);
    marks_.append_bits(begin, end, packed_);
    std::string trailer("\x17\x72\x45\x38\x50\x90", 6);
    trailer += checksum;
    const auto used = static_cast<unsigned>((end - begin) % 8);
    for (const char c : trailer) {
      const auto byte = static_cast<uint8_t>(c);
      if (used > 0) packed_.back() = static_cast<char>(static_cast<uint8_t>(packed_.back()) | byte >> used);
      packed_ += static_cast<char>(static_cast<uint8_t>(byte << (used > 0 ? 8 - used : 0)));
    }
    uint32_t value = 0;
    for (const char c : checksum) value = value << 8 | static_cast<uint8_t>(c);
    return value;
  }

  /// Runs libbz2 on packed_. The buffer doubles when it is full, up to the largest possible block.
  int unpack() {
    bz_stream stream{};
    PRETRAIN_CHECK(BZ2_bzDecompressInit(&stream, 0, 0) == BZ_OK, "out of memory");
    stream.next_in = packed_.data();
    stream.avail_in = static_cast<unsigned>(packed_.size());
    buffer_.resize(std::max(buffer_.size(), kUsualContentBytes));
    made_ = 0;
    int result = BZ_OK;
    while (result == BZ_OK && made_ < kMaxContentBytes) {
      if (made_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
      const size_t before = made_;
      stream.next_out = buffer_.data() + made_;
      stream.avail_out = static_cast<unsigned>(buffer_.size() - made_);
      result = BZ2_bzDecompress(&stream);
      made_ = buffer_.size() - stream.avail_out;
      if (stream.avail_in == 0 && made_ == before) break;
    }
    bits_taken_ = (packed_.size() - stream.avail_in) * 8 - kHeaderBits;
    BZ2_bzDecompressEnd(&stream);
    return result;
  }

  Bzip2Marks& marks_;
  std::string packed_;
  std::vector<char> buffer_;  // reused, because clearing a new one costs more than a small block
  size_t made_ = 0;
  uint64_t bits_taken_ = 0;
};

/// Delivers the blocks of a part one by one. It must read one block ahead, because the end of a block is only
/// known from the next mark, and records_end() from the first block after the part.
class Bzip2BlockSource : public ByteSource {
 public:
  Bzip2BlockSource(ReadableFile file, uint64_t begin, uint64_t end)
      : file_(std::move(file)), marks_(file_), decoder_(marks_), end_bit_(end * 8) {
    upcoming_ = next_block(begin * 8, end_bit_);
    if (!upcoming_) {
      records_end_ = 0;
    } else if (begin == 0 && upcoming_->bit > kHeaderBits && !begins_empty_stream(0)) {
      add_gap(0, kDamaged);
    }
  }

  uint64_t records_end() const override { return records_end_; }

  const Gap* gap_after(uint64_t position) const override {
    const auto found = std::ranges::lower_bound(gaps_, position, {}, &Gap::position);
    return found == gaps_.end() ? nullptr : &*found;
  }

  uint64_t place_of(uint64_t position) const override {
    const auto after = std::ranges::upper_bound(blocks_, position, {}, &BlockPlace::position);
    return after == blocks_.begin() ? 0 : std::prev(after)->file_offset;
  }

 protected:
  size_t produce(std::span<char> out) override {
    while (given_ == content_.size()) {
      if (!upcoming_) {
        if (marks_.shrunk()) end_with(StreamStatus::kShrunk, "file became shorter while it was read");
        return 0;
      }
      read_block();
    }
    const size_t count = std::min(out.size(), content_.size() - given_);
    std::memcpy(out.data(), content_.data() + given_, count);
    given_ += count;
    return count;
  }

 private:
  struct BlockPlace {
    uint64_t position = 0;
    uint64_t file_offset = 0;
  };

  /// The next mark of a block in [from, limit), skipping marks of stream ends.
  std::optional<Bzip2Mark> next_block(uint64_t from, uint64_t limit) {
    auto mark = marks_.next(from, limit);
    while (mark && !mark->begins_block) mark = marks_.next(mark->bit + kMarkAndChecksumBits, limit);
    return mark;
  }

  /// Decompresses the upcoming block and finds the next one. A mark inside the block may be false; then the
  /// block is tried again up to the next mark.
  void read_block() {
    const Bzip2Mark block = *upcoming_;
    begin_block(block.bit / 8);
    const uint64_t limit = block.bit + kMaxBlockBits;
    const auto first_end = marks_.next(block.bit + kMarkAndChecksumBits, limit);
    auto end = first_end;
    Outcome outcome = attempt(block, end);
    for (int i = 0; i < kMaxFalseMarks && outcome == Outcome::kBad && end; ++i) {
      end = marks_.next(end->bit + 1, limit);
      outcome = attempt(block, end);
    }
    // A file that became shorter is not damaged: status() reports it to the reader.
    if (outcome != Outcome::kGood && marks_.shrunk()) {
      content_.clear();
      return upcoming_.reset();
    }
    if (outcome != Outcome::kGood) {
      const bool at_end = !first_end && limit >= marks_.file_bits();
      const uint64_t sound = outcome == Outcome::kBad ? 0 : decoder_.bits_taken();
      add_gap((block.bit + sound) / 8, at_end ? kTruncated : kDamaged);
      if (outcome == Outcome::kBad) end = first_end;
    }
    go_to_block_after(block, end, outcome);
  }

  Outcome attempt(const Bzip2Mark& block, const std::optional<Bzip2Mark>& end) {
    const uint64_t last = std::min(block.bit + kMaxBlockBits, marks_.file_bits());
    return decoder_.decode(block.bit, end ? end->bit : last, content_);
  }

  void begin_block(uint64_t file_offset) {
    decoded_end_ += content_.size();
    if (content_.capacity() > 4 * kUsualContentBytes) content_ = std::string();
    content_.clear();
    given_ = 0;
    // Places are only asked for where records begin.
    if (decoded_end_ < records_end_) blocks_.push_back({decoded_end_, file_offset});
  }

  /// Replaces the unreadable range by a newline, so that each gap has its own position.
  void add_gap(uint64_t file_offset, const GapKind& kind) {
    gaps_.push_back({decoded_end_ + content_.size(), file_offset, kind.reason, kind.text});
    content_ += '\n';
  }

  /// Finds the next block, and ends the part if it decompresses to too much: a malicious file could otherwise
  /// fill memory with positions, or never end.
  void go_to_block_after(const Bzip2Mark& block, const std::optional<Bzip2Mark>& end, Outcome outcome) {
    const uint64_t from = end ? end->bit : block.bit + kMaxBlockBits;
    upcoming_ = next_block(from, std::max(end_bit_, from + kMaxBlockBits));
    if (end && !end->begins_block && outcome == Outcome::kGood) judge_space_after(*end);
    const bool mine = block.bit < end_bit_;
    const uint64_t unpacked = decoded_end_ + content_.size();
    if (mine && unpacked > kMaxUnpackedBytes) {
      add_gap(block.bit / 8, kBomb);
      upcoming_.reset();
    } else if (!mine && unpacked - records_end_ > 4 * kMaxUnpackedBytes) {
      upcoming_.reset();
    }
    if (mine && (!upcoming_ || upcoming_->bit >= end_bit_)) records_end_ = decoded_end_ + content_.size();
  }

  /// Between the end of a stream and the first block of the next one there is only a header.
  void judge_space_after(const Bzip2Mark& end) {
    const uint64_t begin = (end.bit + kMarkAndChecksumBits + 7) / 8;
    if (begin > file_.size()) return add_gap(end.bit / 8, kTruncated);
    if (upcoming_) {
      const uint64_t header = (upcoming_->bit - kHeaderBits) / 8;
      if (begin < header && marks_.holds_data(begin, header) && !begins_empty_stream(begin)) {
        add_gap(begin, kDamaged);
      }
    } else if (begin < file_.size() && marks_.holds_data(begin, file_.size()) &&
               !begins_empty_stream(begin)) {
      add_gap(begin, kGarbage);
    }
  }

  /// Whether a stream without blocks begins there.
  bool begins_empty_stream(uint64_t begin) {
    const auto mark = marks_.next(begin * 8, begin * 8 + kHeaderBits + 1);
    return mark && !mark->begins_block;
  }

  ReadableFile file_;
  Bzip2Marks marks_;
  BlockDecoder decoder_;
  uint64_t end_bit_;
  std::optional<Bzip2Mark> upcoming_;  // the next block, which may be after the part

  std::string content_;       // of the block being delivered, and a newline for each gap after it
  size_t given_ = 0;          // bytes of it
  uint64_t decoded_end_ = 0;  // position where `content_` begins
  uint64_t records_end_ = kUnknown;
  std::deque<Gap> gaps_;
  std::vector<BlockPlace> blocks_;
};

}  // namespace

std::unique_ptr<ByteSource> open_bzip2_blocks(ReadableFile file, uint64_t begin, uint64_t end) {
  return std::make_unique<Bzip2BlockSource>(std::move(file), begin, end);
}

}  // namespace pretrain
