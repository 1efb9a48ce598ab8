// SPDX-License-Identifier: Apache-2.0
#include <array>

#include <gtest/gtest.h>
#include <lzma.h>

#include "libs/base/rng.h"
#include "pipeline/corpus/compression.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::compress;
using test::read_all;
using test::source_of;
using test::TempFolder;

class Decompressor : public testing::TestWithParam<Compression> {
 protected:
  TempFolder folder_;
};
/// What a plain file has not: checksums, an end, and a cost of skipping.
class CompressedStream : public Decompressor {};

TEST_P(Decompressor, GivesBackTheBytes) {
  const std::string text = test::random_text(1, 700'000);
  const auto source = source_of(folder_, compress(text, GetParam()), GetParam());
  EXPECT_EQ(read_all(*source), text);
  EXPECT_EQ(source->position(), text.size());
  EXPECT_EQ(source->status(), StreamStatus::kOk);
  EXPECT_FALSE(source->trailing_garbage());
}

TEST_P(Decompressor, ReadsConcatenatedStreams) {
  const std::string a = test::random_text(2, 100'000);
  const std::string b = test::random_text(3, 5);
  const std::string c;
  std::string bytes;
  for (const std::string& part : {a, c, b, a}) bytes += compress(part, GetParam());
  const auto source = source_of(folder_, bytes, GetParam());
  EXPECT_EQ(read_all(*source), a + b + a);
  EXPECT_EQ(source->status(), StreamStatus::kOk);
}

TEST_P(Decompressor, SkipsToAnyOffset) {
  const std::string text = test::random_text(4, 300'000);
  const std::string bytes = compress(text, GetParam());
  for (const uint64_t offset : {uint64_t{0}, uint64_t{1}, uint64_t{123'456}, uint64_t{text.size()}}) {
    const auto source = source_of(folder_, bytes, GetParam());
    source->skip_to(offset, {});
    EXPECT_EQ(read_all(*source), text.substr(offset));
  }
}

TEST_P(CompressedStream, DeliversWhatComesBeforeATruncation) {
  const std::string text = test::random_text(5, 400'000);
  const std::string bytes = compress(text, GetParam());
  for (const size_t kept : {bytes.size() - 1, bytes.size() - 5, bytes.size() / 2, size_t{7}}) {
    const auto source = source_of(folder_, bytes.substr(0, kept), GetParam());
    const std::string got = read_all(*source);
    EXPECT_EQ(source->status(), StreamStatus::kTruncated) << kept;
    EXPECT_EQ(source->reason(), "truncated " + std::string(compression_name(GetParam())) + " stream");
    EXPECT_EQ(got, text.substr(0, got.size()));
  }
}

TEST_P(CompressedStream, ReportsAFlippedBitOrDeliversTheSameBytes) {
  const std::string text = test::random_text(6, 20'000);
  const std::string bytes = compress(text, GetParam());
  Rng rng(7);
  for (int round = 0; round < 150; ++round) {
    std::string flipped = bytes;
    const size_t at = rng.below(flipped.size());
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << rng.below(8)));
    const auto source = source_of(folder_, flipped, GetParam());
    const std::string got = read_all(*source);
    EXPECT_TRUE(source->status() != StreamStatus::kOk || got == text) << "byte " << at;
  }
}

TEST_P(CompressedStream, NotesGarbageAfterAGoodStream) {
  const std::string text = test::random_text(8, 50'000);
  const auto source = source_of(folder_, compress(text, GetParam()) + "garbage, not a stream", GetParam());
  EXPECT_EQ(read_all(*source), text);
  EXPECT_EQ(source->status(), StreamStatus::kOk);
  EXPECT_TRUE(source->trailing_garbage());
}

TEST_P(CompressedStream, StopsASkipOnRequest) {
  const auto source = source_of(folder_, compress(test::random_text(9, 300'000), GetParam()), GetParam());
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(source->skip_to(200'000, {stop.get_token(), {}}), Stopped);
}

TEST_P(CompressedStream, ReportsTheProgressOfASkip) {
  const std::string text(20'000'000, 'a');
  const auto source = source_of(folder_, compress(text, GetParam()), GetParam());
  uint64_t reported = 0;
  size_t calls = 0;
  source->skip_to(19'000'000, {{}, [&](uint64_t done, uint64_t total) {
                                 EXPECT_GT(done, reported);
                                 EXPECT_EQ(total, 19'000'000U);
                                 reported = done;
                                 ++calls;
                               }});
  EXPECT_GE(calls, 3U);
  EXPECT_EQ(source->position(), 19'000'000U);
}

INSTANTIATE_TEST_SUITE_P(All, Decompressor, testing::ValuesIn(test::kAllCompressions),
                         [](const auto& tested) { return std::string(compression_name(tested.param)); });

INSTANTIATE_TEST_SUITE_P(All, CompressedStream,
                         testing::Values(Compression::kGzip, Compression::kBzip2, Compression::kXz,
                                         Compression::kZstd),
                         [](const auto& tested) { return std::string(compression_name(tested.param)); });

TEST(Decompressor, TurnsAFailingDeviceIntoADataErrorWithFileAndOffset) {
  // Address 0 of this process can't be read, so this regular file fails with an I/O error.
  const auto source = open_source(ReadableFile("/proc/self/mem"), Compression::kGzip);
  std::array<char, 16> out;
  try {
    (void)source->read(out);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_EQ(
        std::string(error.what()),
        "cannot read /proc/self/mem at byte 0: Input/output error; check the disk and its cable (dmesg shows what happened), then start again");
  }
}

TEST(Decompressor, RefusesAnXzStreamThatNeedsTooMuchMemory) {
  const TempFolder folder;
  std::string bytes = compress("text", Compression::kXz);
  // The block header, after 12 bytes of stream header: its size in words less one, flags, optional sizes,
  // the filter 0x21 with one byte of properties (the dictionary size; 40 means 4 GiB - 1), padding, and a
  // checksum.
  constexpr size_t kHeader = 12;
  const size_t header_bytes = (static_cast<unsigned char>(bytes[kHeader]) + 1U) * 4;
  const size_t filter = bytes.find("\x21\x01", kHeader);
  ASSERT_LT(filter, kHeader + header_bytes);
  bytes[filter + 2] = 40;
  const size_t checksum = kHeader + header_bytes - 4;
  const uint32_t crc =
      lzma_crc32(reinterpret_cast<const uint8_t*>(bytes.data()) + kHeader, header_bytes - 4, 0);
  for (size_t i = 0; i < 4; ++i) bytes[checksum + i] = static_cast<char>(crc >> (8 * i));
  const auto source = source_of(folder, bytes, Compression::kXz);
  EXPECT_EQ(read_all(*source), "");
  EXPECT_EQ(source->reason(), "damaged xz stream (needs more than 256 MiB to decompress)");
}

TEST(Decompressor, EndsAPlainFileThatShrinks) {
  const TempFolder folder;
  const Path path = folder.write("shrinking", std::string(100'000, 'a'));
  const auto source = open_source(ReadableFile(path), Compression::kNone);
  folder.write("shrinking", "short");
  source->skip_to(5, {});
  EXPECT_EQ(read_all(*source), "");
  EXPECT_EQ(source->status(), StreamStatus::kShrunk);
}

}  // namespace
}  // namespace pretrain
