// SPDX-License-Identifier: Apache-2.0
// Parts of bzip2 files, block by block.

#include "pipeline/corpus/bzip2_blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/rng.h"
#include "pipeline/corpus/bzip2_marks.h"
#include "pipeline/corpus/compression.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::compress;
using test::read_all;
using test::TempFolder;
using testing::ElementsAre;
using testing::IsEmpty;

/// Letters that bzip2 can't make much smaller.
std::string noise(uint64_t seed, size_t bytes) {
  Rng rng(seed);
  std::string text;
  while (text.size() < bytes) text += static_cast<char>('0' + rng.below(64));
  return text;
}

/// What a part of a file gives: its own content, and the gaps in it.
struct Part {
  std::string content;
  std::vector<std::string> gaps;
};

class Bzip2Blocks : public testing::Test {
 protected:
  std::unique_ptr<ByteSource> open(const std::string& file, uint64_t begin = 0,
                                   uint64_t end = std::numeric_limits<uint32_t>::max()) const {
    return open_bzip2_blocks(ReadableFile(folder_.write("file.bz2", file)), begin, end);
  }

  Part read(const std::string& file, uint64_t begin = 0,
            uint64_t end = std::numeric_limits<uint32_t>::max()) const {
    const auto source = open(file, begin, end);
    Part part{.content = read_all(*source), .gaps = {}};
    EXPECT_LE(source->records_end(), part.content.size());
    part.content.resize(source->records_end());
    for (uint64_t at = 0; const Gap* gap = source->gap_after(at); at = gap->position + 1) {
      if (gap->position >= source->records_end()) break;
      EXPECT_EQ(part.content[gap->position], '\n');
      part.gaps.push_back(fmt::format("{} at {}", gap->text, gap->file_offset));
    }
    return part;
  }

  TempFolder folder_;
};

TEST_F(Bzip2Blocks, GiveAWholeFile) {
  for (const size_t bytes : {1U, 1000U, 899'981U, 3'000'000U}) {
    const std::string text = noise(bytes, bytes);
    const Part part = read(compress(text, Compression::kBzip2));
    EXPECT_TRUE(part.content == text) << bytes;
    EXPECT_THAT(part.gaps, IsEmpty());
  }
}

TEST_F(Bzip2Blocks, GiveNothingForAnEmptyStream) {
  const Part part = read(compress("", Compression::kBzip2));
  EXPECT_EQ(part.content, "");
  EXPECT_THAT(part.gaps, IsEmpty());
}

TEST_F(Bzip2Blocks, GiveEachByteToExactlyOnePartOfAnySplit) {
  // Blocks of one long stream begin at any bit; between streams there are headers, and empty ones.
  const std::string text = noise(1, 4'000'000);
  const std::string_view view = text;
  const std::string file = compress(view.substr(0, 3'000'000), Compression::kBzip2) +
                           compress("", Compression::kBzip2) +
                           compress(view.substr(3'000'000, 50'000), Compression::kBzip2) +
                           compress(view.substr(3'050'000), Compression::kBzip2);
  for (const uint64_t step : {100'000U, 700'001U, 1'048'576U}) {
    std::string joined;
    for (uint64_t begin = 0; begin < file.size(); begin += step) {
      const Part part = read(file, begin, begin + step);
      EXPECT_THAT(part.gaps, IsEmpty()) << step << " " << begin;
      joined += part.content;
    }
    EXPECT_TRUE(joined == text) << step;
  }
}

TEST_F(Bzip2Blocks, GoOnBehindTheirPart) {
  const std::string text = noise(2, 2'500'000);
  const std::string file = compress(text, Compression::kBzip2);
  const auto source = open(file, 0, 10);
  EXPECT_TRUE(read_all(*source) == text);
  EXPECT_LT(source->records_end(), 1'000'000U);
  EXPECT_GT(source->records_end(), 800'000U);
}

TEST_F(Bzip2Blocks, KnowWherePartsEndBeforeReadingBeyond) {
  const std::string file = compress(noise(3, 2'500'000), Compression::kBzip2);
  const auto source = open(file, 0, 10);
  std::array<char, 1> byte;
  ASSERT_EQ(source->read(byte), 1U);
  EXPECT_NE(source->records_end(), ByteSource::kUnknown);
  const auto none = open(file, 10, 20);
  EXPECT_EQ(none->records_end(), 0U);
}

TEST_F(Bzip2Blocks, AreNamedByTheirOffset) {
  const std::string first = compress("one", Compression::kBzip2);
  const std::string second = compress("two", Compression::kBzip2);
  const auto source = open(first + second);
  EXPECT_EQ(read_all(*source), "onetwo");
  EXPECT_EQ(source->place_of(0), 4U);
  EXPECT_EQ(source->place_of(2), 4U);
  EXPECT_EQ(source->place_of(3), first.size() + 4);
}

/// Five streams; the third is damaged by `damage`.
template <typename Damage>
std::string five_streams(const Damage& damage) {
  std::string file;
  for (uint64_t i = 0; i < 5; ++i) {
    std::string stream = compress(noise(i, 20'000), Compression::kBzip2);
    if (i == 2) damage(stream);
    file += stream;
  }
  return file;
}

TEST_F(Bzip2Blocks, ADamagedBlockCostsItselfAlone) {
  const std::string rest = noise(3, 20'000) + noise(4, 20'000);
  for (const size_t byte : {4U, 9U, 10U, 13U, 14U, 40U, 10'000U}) {
    const std::string file = five_streams([&](std::string& stream) { stream[byte] ^= 0x10; });
    const Part part = read(file);
    EXPECT_TRUE(part.content == noise(0, 20'000) + noise(1, 20'000) + "\n" + rest)
        << byte << " " << part.content.size();
    ASSERT_EQ(part.gaps.size(), 1U) << byte;
    EXPECT_THAT(part.gaps[0], testing::StartsWith("damaged bzip2 block")) << byte;
  }
}

TEST_F(Bzip2Blocks, EachFlippedBitOfASmallFileIsHarmlessOrNoticed) {
  const std::string first = compress("alpha beta", Compression::kBzip2);
  const std::string file = first + compress("gamma delta", Compression::kBzip2);
  for (size_t bit = 0; bit < file.size() * 8; ++bit) {
    std::string damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    const Part part = read(damaged);
    const bool in_first = bit / 8 < first.size();
    const std::string sound = in_first ? "gamma delta" : "alpha beta";
    ASSERT_NE(part.content.find(sound), std::string::npos) << bit;
    // Headers and the checksums of streams, which say nothing about the content, may pass unseen.
    const bool whole = part.content.find("alpha betagamma delta") != std::string::npos;
    ASSERT_TRUE(whole || !part.gaps.empty()) << bit;
  }
}

TEST_F(Bzip2Blocks, ATruncatedFileGivesItsWholeBlocks) {
  const std::string text = noise(5, 2'000'000);
  const std::string file = compress(text, Compression::kBzip2);
  for (const size_t kept :
       {file.size() - 1, file.size() - 5, file.size() - 9, file.size() - 100, file.size() / 2}) {
    const Part part = read(file.substr(0, kept));
    ASSERT_EQ(part.gaps.size(), 1U) << kept;
    EXPECT_THAT(part.gaps[0], testing::StartsWith("truncated bzip2 stream")) << kept;
    ASSERT_FALSE(part.content.empty());
    EXPECT_TRUE(text.starts_with(std::string_view(part.content).substr(0, part.content.size() - 1))) << kept;
  }
}

TEST_F(Bzip2Blocks, GarbageBehindTheLastStreamIsNamedAndPaddingIsNot) {
  const std::string stream = compress("text", Compression::kBzip2);
  EXPECT_THAT(read(stream + "garbage that is no bzip2").gaps,
              ElementsAre("garbage after the bzip2 stream at " + std::to_string(stream.size())));
  EXPECT_THAT(read(stream + std::string(1000, '\0')).gaps, IsEmpty());
}

TEST_F(Bzip2Blocks, FalseMarksInsideABlockDoNoHarm) {
  // A block whose content is stored so that its bits hold a mark can't be made at will; a false mark in the
  // space between two streams is as hard to tell from a true one.
  const std::string mark("\x31\x41\x59\x26\x53\x59", 6);
  const std::string stream = compress(noise(6, 5000), Compression::kBzip2);
  for (const std::string& between : {mark, mark + mark, mark + noise(7, 3000), noise(8, 50) + mark}) {
    const Part part = read(stream + between + stream);
    EXPECT_TRUE(part.content.starts_with(noise(6, 5000)));
    EXPECT_TRUE(part.content.ends_with(noise(6, 5000)));
    EXPECT_FALSE(part.gaps.empty());
  }
}

TEST_F(Bzip2Blocks, AFileOfNothingButMarksIsReadInLinearTime) {
  std::string file = "BZh9";
  while (file.size() < 200'000) file += "\x31\x41\x59\x26\x53\x59";
  const Part part = read(file);
  EXPECT_GT(part.gaps.size(), 16'000U);
  EXPECT_EQ(part.content.size(), part.gaps.size());
}

TEST_F(Bzip2Blocks, ABombIsGivenUp) {
  const std::string bomb = compress(std::string(45'000'000, 'a'), Compression::kBzip2);
  std::string bombs;
  for (int i = 0; i < 30; ++i) bombs += bomb;
  const auto source = open(bombs + compress("text", Compression::kBzip2));
  std::vector<char> part(1 << 20);
  uint64_t bytes = 0;
  while (const size_t got = source->read(part)) bytes += got;
  EXPECT_GT(bytes, kMaxUnpackedBytes);
  EXPECT_LT(bytes, kMaxUnpackedBytes + 50'000'000);
  const Gap* gap = source->gap_after(0);
  ASSERT_NE(gap, nullptr);
  EXPECT_EQ(gap->text, "unpacks to more than 1 GiB a MiB");
}

TEST_F(Bzip2Blocks, AShrunkFileIsTold) {
  const std::string file = compress(noise(9, 3'000'000), Compression::kBzip2);
  const auto source = open(file, 0, 1'048'576);
  std::filesystem::resize_file(folder_ / "file.bz2", 500'000);
  read_all(*source);
  EXPECT_EQ(source->status(), StreamStatus::kShrunk);
}

TEST(Bzip2Checksum, IsThatOfTheFormat) {
  const TempFolder folder;
  const std::string file = compress("hello", Compression::kBzip2);
  const ReadableFile readable(folder.write("f", file));
  Bzip2Marks marks(readable);
  std::string stored;
  marks.append_bits(80, 112, stored);
  uint32_t value = 0;
  for (const char c : stored) value = value << 8 | static_cast<uint8_t>(c);
  EXPECT_EQ(bzip2_checksum("hello"), value);
}

TEST(Bzip2Marks, AreFoundAtAnyBit) {
  for (unsigned shift = 0; shift < 8; ++shift) {
    const TempFolder folder;
    std::string bytes(100'000, '\xA5');
    const uint64_t bit = 8 * 65'533 + shift;  // across the edge of what is read at once
    for (unsigned i = 0; i < 48; ++i) {
      const bool set = (kBzip2EndMark >> (47 - i) & 1) != 0;
      char& byte = bytes[(bit + i) / 8];
      const auto mask = static_cast<char>(0x80 >> (bit + i) % 8);
      byte = static_cast<char>(set ? byte | mask : byte & ~mask);
    }
    const ReadableFile file(folder.write("f", bytes));
    Bzip2Marks marks(file);
    const auto found = marks.next(0, file.size() * 8);
    ASSERT_TRUE(found) << shift;
    EXPECT_EQ(found->bit, bit);
    EXPECT_FALSE(found->begins_block);
    EXPECT_EQ(marks.next(bit, bit + 1)->bit, bit);
    EXPECT_FALSE(marks.next(0, bit));
    EXPECT_FALSE(marks.next(bit + 1, file.size() * 8));
  }
}

}  // namespace
}  // namespace pretrain
