// SPDX-License-Identifier: Apache-2.0
#include "libs/gguf/writer.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>

#include "libs/base/error.h"
#include "libs/base/file.h"
#include "tests/libs/gguf/gguf_testing.h"

namespace pretrain::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(GgufWriter, GivesTheBytesOfAnIndependentWriter) {
  EXPECT_EQ(golden_text(), read_file(golden_gguf()));
  EXPECT_EQ(gguf_size_bytes(golden_outline()), read_file(golden_gguf()).size());
}

TEST(GgufWriter, WritesAFileWithoutAnything) {
  std::string expected("GGUF\x03\0\0\0", 8);
  expected.append(24, '\0');
  EXPECT_EQ(gguf_text({}, {}), expected);
}

TEST(GgufWriter, HandsALargeTensorOnInPieces) {
  constexpr uint64_t kElements = (2 << 20) + 32;
  const GgufOutline outline{.metadata = {}, .tensors = {{"big", {kElements}, ElementType::kF32}}};
  size_t largest = 0;
  uint64_t bytes = 0;
  write_gguf(
      outline, [](size_t, std::span<float> into) { std::ranges::fill(into, 1.0F); },
      [&](std::span<const std::byte> piece) {
        largest = std::max(largest, piece.size());
        bytes += piece.size();
      });
  EXPECT_EQ(largest, 4U << 20);
  EXPECT_EQ(bytes, gguf_size_bytes(outline));
}

std::string refusal(ElementType type, float value) {
  std::vector<float> values(32, 1.0F);
  values[5] = value;
  try {
    gguf_text({.metadata = {}, .tensors = {{"h.weight", {32}, type}}}, {values});
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return error.what();
  }
  return "";
}

TEST(GgufWriter, RefusesWhatATypeCannotHold) {
  EXPECT_EQ(refusal(ElementType::kF16, 65504), "");
  EXPECT_THAT(refusal(ElementType::kF16, -65536),
              AllOf(HasSubstr("h.weight holds -65536"), HasSubstr("f16")));
  EXPECT_THAT(refusal(ElementType::kBf16, std::numeric_limits<float>::max()), HasSubstr("bf16 ends at"));
  EXPECT_THAT(refusal(ElementType::kQ8_0, 1e8F), HasSubstr("q8_0 ends at"));
  EXPECT_EQ(refusal(ElementType::kQ8_0, 8e6F), "");
  for (const ElementType type :
       {ElementType::kF32, ElementType::kF16, ElementType::kBf16, ElementType::kQ8_0})
    EXPECT_NE(refusal(type, std::nanf("")), "") << name_of(type);
}

}  // namespace
}  // namespace pretrain::test
