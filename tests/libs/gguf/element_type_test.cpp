// SPDX-License-Identifier: Apache-2.0
#include "libs/gguf/element_type.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "libs/base/half_float.h"
#include "libs/base/rng.h"

namespace pretrain {
namespace {

std::vector<std::byte> stored(ElementType type, const std::vector<float>& values) {
  std::vector<std::byte> bytes(stored_bytes(type, values.size()));
  store_elements(type, values, bytes);
  return bytes;
}

std::vector<float> there_and_back(ElementType type, const std::vector<float>& values) {
  std::vector<float> back(values.size());
  load_elements(type, stored(type, values), back);
  return back;
}

std::vector<float> normal_values(uint64_t seed, size_t count) {
  Rng rng(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(rng.normal());
  return values;
}

struct Q8 {
  uint16_t scale;
  int8_t steps[32];
};

Q8 first_block(const std::vector<float>& values) {
  const auto bytes = stored(ElementType::kQ8_0, values);
  Q8 block;
  std::memcpy(&block, bytes.data(), sizeof(block));
  return block;
}

TEST(ElementType, TakesTheBytesOfTheFormat) {
  EXPECT_EQ(stored_bytes(ElementType::kF32, 64), 256U);
  EXPECT_EQ(stored_bytes(ElementType::kF16, 64), 128U);
  EXPECT_EQ(stored_bytes(ElementType::kBf16, 64), 128U);
  EXPECT_EQ(stored_bytes(ElementType::kQ8_0, 64), 68U);
  EXPECT_EQ(find_element_type(30), ElementType::kBf16);
  EXPECT_EQ(find_element_type(12), std::nullopt);
}

TEST(ElementType, F32IsExact) {
  const auto values = normal_values(1, 100);
  EXPECT_EQ(there_and_back(ElementType::kF32, values), values);
}

TEST(ElementType, HalvesAreOffByHalfAStepAtMost) {
  const auto values = normal_values(2, 1000);
  const auto check = [&](ElementType type, float relative) {
    const auto back = there_and_back(type, values);
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_LE(std::abs(back[i] - values[i]), relative * std::abs(values[i]) + 0x1p-25F) << i;
  };
  check(ElementType::kF16, 0x1p-11F);
  check(ElementType::kBf16, 0x1p-8F);
}

TEST(Q8, CountsInStepsOfTheLargest) {
  std::vector<float> values(32, 1.0F);
  values[3] = -2;
  const Q8 block = first_block(values);
  EXPECT_EQ(block.scale, to_f16(2.0F / 127));
  EXPECT_EQ(block.steps[0], 64);  // 63.5
  EXPECT_EQ(block.steps[3], -127);
}

TEST(Q8, RoundsTiesAwayFromZero) {
  std::vector<float> values(32);
  values[0] = 127;
  for (int i = 1; i < 32; ++i)
    values[static_cast<size_t>(i)] = static_cast<float>(i % 2 == 0 ? i : -i) + (i % 2 == 0 ? 0.5F : -0.5F);
  const Q8 block = first_block(values);
  for (int i = 1; i < 32; ++i) EXPECT_EQ(block.steps[i], i % 2 == 0 ? i + 1 : -i - 1);
}

TEST(Q8, ZeroStaysZeroHoweverSmallTheBlock) {
  const Q8 zeros = first_block(std::vector<float>(32, 0.0F));
  EXPECT_EQ(zeros.scale, 0);
  EXPECT_EQ(zeros.steps[31], 0);
  // The scale is too small to be inverted; f16 rounds it to 0 in any case.
  const std::vector<float> tiny(32, std::numeric_limits<float>::denorm_min());
  EXPECT_EQ(there_and_back(ElementType::kQ8_0, tiny), std::vector<float>(32, 0.0F));
}

TEST(Q8, ErrsByHalfAStepAndTheScalesRounding) {
  constexpr uint64_t kSeed = 3;
  const auto values = normal_values(kSeed, 3200);
  const auto back = there_and_back(ElementType::kQ8_0, values);
  for (size_t block = 0; block < values.size(); block += 32) {
    float largest = 0;
    for (size_t i = block; i < block + 32; ++i) largest = std::max(largest, std::abs(values[i]));
    const float bound = largest / 127 * 0.5F + largest * 0x1p-11F;
    for (size_t i = block; i < block + 32; ++i)
      ASSERT_LE(std::abs(back[i] - values[i]), bound * 1.001F) << "seed " << kSeed << " element " << i;
  }
}

TEST(ElementType, TheLargestThatIsStoredIsFinite) {
  for (const ElementType type :
       {ElementType::kF32, ElementType::kF16, ElementType::kBf16, ElementType::kQ8_0}) {
    const std::vector<float> values(32, -largest_stored(type));
    for (const float value : there_and_back(type, values)) EXPECT_TRUE(std::isfinite(value)) << name_of(type);
  }
}

}  // namespace
}  // namespace pretrain
