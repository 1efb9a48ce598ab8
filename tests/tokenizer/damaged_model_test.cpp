// SPDX-License-Identifier: Apache-2.0
// Whatever happens to a model file, loading it gives an error or a tokenizer that keeps text.

#include <optional>

#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "tests/tokenizer/sample_models.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {
namespace {

constexpr std::string_view kText = "The capital 東京  of\n  Übermaß <0x41> 1851\xE2\x96\x81😀 sonberingkato";

/// Loads the bytes. Returns whether they were accepted.
bool load_and_use(const std::string& bytes) {
  std::optional<Tokenizer> tokenizer;
  try {
    tokenizer = Tokenizer::from_serialized(bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
    return false;
  }
  EXPECT_EQ(tokenizer->decode(test::encode(*tokenizer, kText)), kText);
  return true;
}

TEST(DamagedModel, IsRefusedWhereverItEnds) {
  for (const TokenizerType type : test::kAllTypes) {
    const std::string& whole = test::sample_tokenizer(type).serialized();
    for (size_t size = 0; size < whole.size(); size += size < 4096 ? 64 : 4096) {
      EXPECT_FALSE(load_and_use(whole.substr(0, size))) << size;
    }
    EXPECT_FALSE(load_and_use(whole.substr(0, whole.size() - 1)));
    EXPECT_TRUE(load_and_use(whole));
  }
}

TEST(DamagedModel, SurvivesAThousandFlippedBits) {
  Rng rng(99);
  int refused = 0;
  for (const TokenizerType type : test::kAllTypes) {
    const std::string& whole = test::sample_tokenizer(type).serialized();
    for (int round = 0; round < 334; ++round) {
      std::string bytes = whole;
      // Half of the flips fall into the last bytes, where the settings are.
      const size_t span = round % 2 == 0 ? bytes.size() : 80;
      const size_t at = bytes.size() - 1 - rng.below(span);
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << rng.below(8)));
      SCOPED_TRACE(at);
      refused += load_and_use(bytes) ? 0 : 1;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(DamagedModel, IsRefusedWhenItIsNoise) {
  Rng rng(5);
  for (int round = 0; round < 500; ++round) {
    std::string bytes(1 + rng.below(5000), '\0');
    for (char& byte : bytes) byte = static_cast<char>(rng.below(256));
    EXPECT_FALSE(load_and_use(bytes)) << round;
  }
}

}  // namespace
}  // namespace pretrain
