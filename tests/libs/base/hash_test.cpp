// SPDX-License-Identifier: Apache-2.0
#include "libs/base/hash.h"

#include <string>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

TEST(Hash64, GivesTheReferenceValues) {
  EXPECT_EQ(hash64(""), 0x2d06800538d394c2ULL);  // XXH3 specification, empty input
  EXPECT_EQ(hex64(hash64("")), "2d06800538d394c2");
}

TEST(Hash64, DependsOnTheSeed) {
  EXPECT_NE(hash64("text", 1), hash64("text", 2));
}

TEST(Hex64, KeepsLeadingZeros) {
  EXPECT_EQ(hex64(0xab), "00000000000000ab");
}

TEST(Hasher128, GivesTheReferenceValueOfNothing) {
  EXPECT_EQ(Hasher128().hex(), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hash128_hex(""), Hasher128().hex());
}

TEST(Hasher128, DoesNotDependOnHowTheInputIsCut) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += static_cast<char>(i * 7);
  for (const size_t piece : {1, 3, 64, 255, 1024}) {
    Hasher128 hasher;
    for (size_t at = 0; at < text.size(); at += piece)
      hasher.update(std::string_view(text).substr(at, piece));
    EXPECT_EQ(hasher.hex(), hash128_hex(text)) << piece;
  }
}

TEST(Hasher128, SeesEveryFlippedBit) {
  const std::string text(300, 'x');
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string changed = text;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    EXPECT_NE(hash128_hex(changed), hash128_hex(text)) << bit;
  }
}

}  // namespace
}  // namespace pretrain
