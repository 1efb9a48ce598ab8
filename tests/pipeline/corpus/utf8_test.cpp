// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/utf8.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include "libs/base/rng.h"

namespace pretrain {
namespace {

const std::string kMark = "\xEF\xBF\xBD";

std::string repaired(std::string text) {
  repair_utf8(text);
  return text;
}

TEST(RepairUtf8, LeavesValidTextAlone) {
  std::string text = "caf\xC3\xA9 \xE5\xAD\xA6 \xF0\x9F\x98\x80 \xEF\xBB\xBF";
  const std::string before = text;
  EXPECT_EQ(repair_utf8(text), 0U);
  EXPECT_EQ(text, before);
}

TEST(RepairUtf8, ReplacesEachMaximalInvalidPartOnce) {
  // The Unicode Standard, table 3-11: 61 F1 80 80 E1 80 C2 62 80 63 80 BF 64.
  std::string text = "\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64";
  EXPECT_EQ(repair_utf8(text), 6U);
  EXPECT_EQ(text, "a" + kMark + kMark + kMark + "b" + kMark + "c" + kMark + kMark + "d");
}

TEST(RepairUtf8, ReplacesSurrogatesOverlongFormsAndWhatIsBeyondUnicode) {
  EXPECT_EQ(repaired("\xED\xA0\x80"), kMark + kMark + kMark);
  EXPECT_EQ(repaired("\xC0\xAF"), kMark + kMark);
  EXPECT_EQ(repaired("\xE0\x80\xAF"), kMark + kMark + kMark);
  EXPECT_EQ(repaired("\xF4\x90\x80\x80"), kMark + kMark + kMark + kMark);
  EXPECT_EQ(repaired("\xF0\x80\x80\x41"), kMark + kMark + kMark + "A");
}

TEST(RepairUtf8, ReplacesACharacterCutOffAtTheEnd) {
  EXPECT_EQ(repaired("ab\xE5\xAD"), "ab" + kMark);
}

TEST(RepairUtf8, GivesValidTextForRandomBytes) {
  Rng rng(11);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (uint64_t i = rng.below(20); i > 0; --i) text += static_cast<char>(rng.below(256));
    const bool valid = simdjson::validate_utf8(text);
    EXPECT_EQ(repair_utf8(text) == 0, valid);
    EXPECT_TRUE(simdjson::validate_utf8(text));
  }
}

TEST(Utf8Boundary, SplitsNeitherCharactersNorInvalidParts) {
  Rng rng(12);
  static constexpr unsigned char kBytes[] = {0x41, 0x80, 0xBF, 0xC3, 0xE5, 0xED, 0xF0, 0xF4, 0xFF, 0x9F};
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (uint64_t i = 4 + rng.below(12); i > 0; --i) text += static_cast<char>(kBytes[rng.below(10)]);
    const size_t position = 3 + rng.below(text.size() - 2);
    const size_t cut = utf8_boundary(text, position);
    ASSERT_LE(cut, position);
    ASSERT_LE(position - cut, 3U);
    EXPECT_EQ(repaired(text.substr(0, cut)) + repaired(text.substr(cut)), repaired(text))
        << "round " << round;
  }
}

TEST(Utf8Boundary, StaysBetweenCharacters) {
  EXPECT_EQ(utf8_boundary("abcdef", 3), 3U);
  EXPECT_EQ(utf8_boundary("ab\xE5\xAD\xA6z", 4), 2U);
  EXPECT_EQ(utf8_boundary("ab\xE5\xAD\xA6z", 5), 5U);
  EXPECT_EQ(utf8_boundary("ab", 7), 2U);
}

TEST(Utf8Mark, IsThreeBytesAtTheFront) {
  EXPECT_EQ(utf8_mark_length("\xEF\xBB\xBFx"), 3U);
  EXPECT_EQ(utf8_mark_length("x\xEF\xBB\xBF"), 0U);
}

}  // namespace
}  // namespace pretrain
