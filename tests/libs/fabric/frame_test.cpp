// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/frame.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pretrain {
namespace {

using testing::HasSubstr;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// Frames of kinds 1, 2, ... with these payloads.
std::string written(const std::vector<std::string>& payloads, const std::string& key = {}) {
  FrameWriter writer;
  writer.set_key(key);
  std::string out;
  uint32_t kind = 0;
  for (const std::string& payload : payloads) writer.write(++kind, bytes_of(payload), out);
  return out;
}

FrameReader reader_with(const std::string& key = {}) {
  FrameReader reader(FrameLimits{{1, 100}, {2, 100'000}, {3, 0}});
  reader.set_key(key);
  return reader;
}

/// Why the reader refuses the bytes; "" when it does not.
std::string refusal_of(FrameReader& reader, std::string_view bytes) {
  try {
    reader.take(bytes_of(bytes));
    while (reader.next()) {
    }
  } catch (const BadFrame& bad) {
    return bad.what();
  }
  return "";
}

TEST(Frame, ComesBackHoweverItsBytesArrive) {
  for (const std::string key : {"", "a key"}) {
    const std::string bytes = written({"hello", std::string(70'000, 'x'), ""}, key);
    for (const size_t piece : {size_t{1}, size_t{15}, size_t{4096}, bytes.size()}) {
      FrameReader reader = reader_with(key);
      std::vector<Frame> frames;
      for (size_t i = 0; i < bytes.size(); i += piece) {
        reader.take(bytes_of(std::string_view(bytes).substr(i, piece)));
        while (auto frame = reader.next()) frames.push_back(*frame);
      }
      ASSERT_EQ(frames.size(), 3U);
      EXPECT_EQ(frames[0].kind, 1U);
      EXPECT_EQ(frames[0].payload, "hello");
      EXPECT_EQ(frames[1].payload, std::string(70'000, 'x'));
      EXPECT_EQ(frames[2].payload, "");
      EXPECT_EQ(reader.pending_bytes(), 0U);
    }
  }
}

TEST(FrameReader, RefusesUnknownKindsAndOtherPrograms) {
  FrameReader reader(FrameLimits{{7, 100}});
  EXPECT_THAT(refusal_of(reader, written({"hello"})), HasSubstr("unknown kind 1"));
  FrameReader second = reader_with();
  EXPECT_THAT(refusal_of(second, "G"), HasSubstr("another protocol"));
  FrameReader third = reader_with();
  EXPECT_THAT(refusal_of(third, "PTF0"), HasSubstr("another protocol"));
}

TEST(FrameReader, RefusesALengthBeforeThePayloadComes) {
  FrameReader reader = reader_with();
  EXPECT_THAT(refusal_of(reader, written({std::string(101, 'x')}).substr(0, 16)),
              HasSubstr("101 bytes, more than 100"));
  std::string lying = written({""});
  lying.replace(8, 8, std::string(8, '\xff'));
  FrameReader second = reader_with();
  EXPECT_THAT(refusal_of(second, lying), HasSubstr("more than 100"));
}

TEST(FrameReader, FindsEachFlippedBitOfAFrameWithACode) {
  const std::string bytes = written({"hello"}, "a key");
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string other = bytes;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ 1 << (bit % 8));
    FrameReader reader = reader_with("a key");
    reader.take(bytes_of(other));
    try {
      EXPECT_EQ(reader.next(), std::nullopt) << "bit " << bit;  // a longer frame that never comes
    } catch (const BadFrame&) {
      continue;
    }
  }
}

TEST(FrameReader, FindsRepeatedDroppedAndReorderedFrames) {
  const std::string first = written({"one"}, "a key");
  const std::string both = written({"one", "two"}, "a key");
  const std::string second = both.substr(first.size());
  for (const std::string& wrong : {first + first, second, second + first, first + second + second}) {
    FrameReader reader = reader_with("a key");
    EXPECT_THAT(refusal_of(reader, wrong), HasSubstr("wrong code"));
  }
  FrameReader reader = reader_with("a key");
  EXPECT_EQ(refusal_of(reader, both), "");
}

TEST(FrameReader, RefusesFramesOfAnotherKeyOrWithout) {
  FrameReader reader = reader_with("a key");
  EXPECT_THAT(refusal_of(reader, written({"hello"}, "another")), HasSubstr("wrong code"));
  FrameReader second = reader_with("a key");
  EXPECT_THAT(refusal_of(second, written({"hello", std::string(100, 'x')})), HasSubstr("wrong code"));
}

}  // namespace
}  // namespace pretrain
