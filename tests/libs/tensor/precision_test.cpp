// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/precision.h"

#include <array>

#include <gtest/gtest.h>

#include "libs/tensor/operand.h"
#include "libs/tensor/peak.h"

namespace pretrain {
namespace {

/// Takes a limit away again.
class BestInstructionSet {
 public:
  BestInstructionSet() = default;
  ~BestInstructionSet() { limit_instruction_set(best()); }
  BestInstructionSet(const BestInstructionSet&) = delete;
  BestInstructionSet& operator=(const BestInstructionSet&) = delete;

  static std::string_view best() {
    std::string_view name;
    for (const InstructionSet& set : instruction_sets()) {
      if (set.is_supported) name = set.name;
    }
    return name;
  }
};

TEST(Precision, NamesComeBackAsTheirValues) {
  for (const Precision precision : {Precision::kFloat32, Precision::kBf16})
    EXPECT_EQ(find_precision(precision_name(precision)), precision);
  EXPECT_EQ(precision_name(Precision::kBf16), "bf16");
  EXPECT_EQ(find_precision("f16"), std::nullopt);
  EXPECT_EQ(find_precision(""), std::nullopt);
}

TEST(Precision, WithoutTheInstructionBf16IsEmulatedUntilTheEndOfTheScope) {
  const bool before = multiplies_bf16();
  {
    const WithoutBf16Instruction without;
    EXPECT_FALSE(multiplies_bf16());
    EXPECT_EQ(fastest_precision(), Precision::kFloat32);
  }
  EXPECT_EQ(multiplies_bf16(), before);
}

#if defined(__x86_64__)
TEST(InstructionSet, TheSlowestIsAlwaysSupported) {
  ASSERT_FALSE(instruction_sets().empty());
  EXPECT_EQ(instruction_sets().front().name, "portable");
  EXPECT_TRUE(instruction_sets().front().is_supported);
}

TEST(InstructionSet, ALimitHoldsForKernelsUntilTheNext) {
  const BestInstructionSet after;
  const std::string without_limit = vector_target();
  const std::vector<std::pair<std::string_view, std::string_view>> targets = {
      {"sse4", "SSE4"}, {"avx2", "AVX2"}, {"avx512", "AVX3"}, {"avx512bf16", "AVX3"}, {"amx", "AVX3"}};
  for (const InstructionSet& set : instruction_sets()) {
    if (!set.is_supported) continue;
    SCOPED_TRACE(set.name);
    limit_instruction_set(set.name);
    const bool pairs = set.name == "avx512bf16";
    const bool tiles = set.name == "amx";
    EXPECT_EQ(multiplies_bf16(), pairs || tiles);
    EXPECT_EQ(bf16_products(), tiles ? "tiles" : pairs ? "pairs" : "float32");
    for (const auto& [name, target] : targets) {
      if (name == set.name) {
        EXPECT_EQ(vector_target(), target);
      }
    }
    std::array<Bf16, 19> rounded{};
    std::array<float, 19> values{}, back{};
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) + 0.5F;  // exact in bf16
    store_values(1, 19, values.data(), 19, Operand(rounded.data()), 19);
    load_values(19, ConstOperand(rounded.data()), back.data());
    EXPECT_EQ(back, values);
  }
  limit_instruction_set(BestInstructionSet::best());
  EXPECT_EQ(vector_target(), without_limit);
}
#endif

}  // namespace
}  // namespace pretrain
