// SPDX-License-Identifier: Apache-2.0
#include "libs/gguf/general_keys.h"

#include <gtest/gtest.h>

namespace pretrain {
namespace {

TEST(GgufGeneralKeys, SayWhatTheMatricesAreStoredAs) {
  const auto value_of = [](ElementType type, std::string_view key) {
    const auto entries = general_entries("llama", "m", type);
    const GgufValue* value = find_value(entries, key);
    return value == nullptr ? GgufValue(uint8_t{255}) : *value;
  };
  EXPECT_EQ(value_of(ElementType::kF32, "general.architecture"), GgufValue(std::string("llama")));
  EXPECT_EQ(value_of(ElementType::kF32, "general.name"), GgufValue(std::string("m")));
  EXPECT_EQ(value_of(ElementType::kF32, "general.file_type"), GgufValue(uint32_t{0}));
  EXPECT_EQ(value_of(ElementType::kF16, "general.file_type"), GgufValue(uint32_t{1}));
  EXPECT_EQ(value_of(ElementType::kBf16, "general.file_type"), GgufValue(uint32_t{32}));
  EXPECT_EQ(value_of(ElementType::kF32, "general.quantization_version"), GgufValue(uint8_t{255}));
  EXPECT_EQ(value_of(ElementType::kQ8_0, "general.file_type"), GgufValue(uint32_t{7}));
  EXPECT_EQ(value_of(ElementType::kQ8_0, "general.quantization_version"), GgufValue(uint32_t{2}));
}

}  // namespace
}  // namespace pretrain
