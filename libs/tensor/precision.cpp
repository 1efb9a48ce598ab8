// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/precision.h"

#include <algorithm>
#include <span>

#include <hwy/highway.h>

#if HWY_ARCH_X86
#include <cpuid.h>
#endif

#include "libs/base/check.h"
#include "libs/base/enum_table.h"
#include "libs/base/matrix_tiles.h"

namespace pretrain {
namespace {

constexpr EnumName<Precision> kPrecisions[] = {{Precision::kFloat32, "f32"}, {Precision::kBf16, "bf16"}};
static_assert(is_in_order(kPrecisions));

/// What a name allows. Better targets of Highway have lower bits.
struct Level {
  std::string_view name;
  int64_t target;  ///< the best one allowed
  bool bf16;       ///< whether its instructions for bf16 are allowed too
  bool tiles;      ///< and its tiles
};

#if HWY_ARCH_X86
constexpr Level kLevels[] = {{"portable", HWY_EMU128, false, false}, {"sse4", HWY_SSE4, false, false},
                             {"avx2", HWY_AVX2, false, false},       {"avx512", HWY_AVX3, false, false},
                             {"avx512bf16", HWY_AVX3, true, false},  {"amx", HWY_AVX3, true, true}};

std::span<const Level> levels() {
  return kLevels;
}

bool has_bf16_instruction() {
  return __builtin_cpu_supports("avx512bf16") != 0;
}

/// Asks the processor itself, since not every compiler's library knows these names.
bool has_tile_instructions() {
  constexpr unsigned kLeaf = 7;
  constexpr unsigned kAmxBf16 = 1U << 22;
  constexpr unsigned kAmxTile = 1U << 24;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(kLeaf, 0, &a, &b, &c, &d) != 0 && (d & kAmxBf16) != 0 && (d & kAmxTile) != 0;
}
#else
std::span<const Level> levels() {
  return {};
}

bool has_bf16_instruction() {
  return false;
}

bool has_tile_instructions() {
  return false;
}
#endif

/// Rounding is done by the instructions for pairs.
bool has_tiles() {
  static const bool granted = has_bf16_instruction() && has_tile_instructions() && request_matrix_tiles();
  return granted;
}

/// Targets that the build and the processor have, whatever the limit.
int64_t detected_targets() {
  static const int64_t detected = hwy::SupportedTargets() & HWY_TARGETS;
  return detected;
}

/// Every processor has the portable one, which the build may have replaced by a better baseline.
bool is_supported(const Level& level) {
  const bool has_target = &level == &levels().front() || (detected_targets() & level.target) != 0;
  return has_target && (!level.bf16 || has_bf16_instruction()) && (!level.tiles || has_tiles());
}

/// Intel's processors begin an instruction for pairs every second cycle and two for float32 in each: 170 compared with
/// 343 GFLOP/s on two cores of a Sapphire Rapids. AMD's begin as many of either.
bool pairs_are_fast() {
#if HWY_ARCH_X86
  return __builtin_cpu_is("intel") == 0;
#else
  return true;
#endif
}

}  // namespace

bool Bf16Instruction::allowed_ = has_bf16_instruction();
bool Bf16Tiles::allowed_ = has_tiles();

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

Precision fastest_precision() {
  const bool is_fast = multiplies_bf16() && (Bf16Tiles::are_allowed() || pairs_are_fast());
  return is_fast ? Precision::kBf16 : Precision::kFloat32;
}

std::string_view bf16_products() {
  if (!multiplies_bf16()) return "float32";
  return Bf16Tiles::are_allowed() ? "tiles" : "pairs";
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
  Bf16Tiles::allowed_ = found->tiles;
  const int64_t better = found->target - 1;
  // Not by DisableTargets(): with it, each later SupportedTargets() would make the kernels use all targets again.
  hwy::SetSupportedTargetsForTest((detected_targets() | HWY_SCALAR) & ~better);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace pretrain
