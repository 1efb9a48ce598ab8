// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/precision.h"

#include <algorithm>
#include <span>

#include <hwy/highway.h>

#include "libs/base/check.h"
#include "libs/base/enum_table.h"

namespace pretrain {
namespace {

constexpr EnumName<Precision> kPrecisions[] = {{Precision::kFloat32, "f32"}, {Precision::kBf16, "bf16"}};
static_assert(is_in_order(kPrecisions));

/// What a name allows. Better targets of Highway have lower bits.
struct Level {
  std::string_view name;
  int64_t target;  ///< the best one allowed
  bool bf16;       ///< whether its instructions for bf16 are allowed too
};

#if HWY_ARCH_X86
constexpr Level kLevels[] = {{"portable", HWY_EMU128, false},
                             {"sse4", HWY_SSE4, false},
                             {"avx2", HWY_AVX2, false},
                             {"avx512", HWY_AVX3, false},
                             {"avx512bf16", HWY_AVX3, true}};

std::span<const Level> levels() {
  return kLevels;
}

bool has_bf16_instruction() {
  return __builtin_cpu_supports("avx512bf16") != 0;
}
#else
std::span<const Level> levels() {
  return {};
}

bool has_bf16_instruction() {
  return false;
}
#endif

/// Targets that the build and the processor have, whatever the limit.
int64_t detected_targets() {
  static const int64_t detected = hwy::SupportedTargets() & HWY_TARGETS;
  return detected;
}

/// Every processor has the portable one, which the build may have replaced by a better baseline.
bool is_supported(const Level& level) {
  const bool has_target = &level == &levels().front() || (detected_targets() & level.target) != 0;
  return has_target && (!level.bf16 || has_bf16_instruction());
}

}  // namespace

bool Bf16Instruction::allowed_ = has_bf16_instruction();

std::string_view precision_name(Precision precision) {
  return row_of(kPrecisions, precision).name;
}

std::optional<Precision> find_precision(std::string_view name) {
  return find_value(kPrecisions, name);
}

bool multiplies_bf16() {
#if HWY_ARCH_X86
  const int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  const int64_t best = usable & -usable;
  return Bf16Instruction::is_allowed() && best <= HWY_AVX3;
#else
  return false;
#endif
}

std::vector<InstructionSet> instruction_sets() {
  std::vector<InstructionSet> sets;
  for (const Level& level : levels()) sets.push_back({level.name, is_supported(level)});
  return sets;
}

void limit_instruction_set(std::string_view name) {
  const auto found = std::ranges::find(levels(), name, &Level::name);
  PRETRAIN_CHECK(found != levels().end() && is_supported(*found), "instruction set {}", name);
  Bf16Instruction::allowed_ = found->bf16;
  const int64_t better = found->target - 1;
  // Not by DisableTargets(): with it, each later SupportedTargets() would make the kernels use all targets again.
  hwy::SetSupportedTargetsForTest((detected_targets() | HWY_SCALAR) & ~better);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace pretrain
