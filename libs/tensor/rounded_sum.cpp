// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/rounded_sum.h"

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/rounded_sum.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// Included once a target, too.
#include "libs/tensor/elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

template <class D>
HWY_INLINE hn::Vec<D> Rounded(D d, hn::Vec<D> x) {
  const hn::RebindToUnsigned<D> du;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, RoundToBf16(d, x))));
}

void RoundRange(float* values, size_t count) {
  ForEachVector(static_cast<int64_t>(count), [values](auto d, int64_t i) {
    hn::StoreU(Rounded(d, hn::LoadU(d, values + i)), d, values + i);
  });
}

void AddRoundedRange(const float* x, size_t count, float* sums) {
  ForEachVector(static_cast<int64_t>(count), [x, sums](auto d, int64_t i) {
    hn::StoreU(Rounded(d, hn::Add(hn::LoadU(d, sums + i), hn::LoadU(d, x + i))), d, sums + i);
  });
}

/// Cuts instead of rounding, so that each number stays what it is.
void NarrowRange(const float* values, size_t count, Bf16* halves) {
  ForEachVector(static_cast<int64_t>(count), [values, halves](auto d, int64_t i) {
    const hn::RebindToUnsigned<decltype(d)> du;
    const hn::Rebind<Bf16, decltype(d)> d16;
    const auto bits = hn::BitCast(du, hn::LoadU(d, values + i));
    hn::StoreU(hn::TruncateTo(d16, hn::ShiftRight<16>(bits)), d16, halves + i);
  });
}

void WidenRange(const Bf16* halves, size_t count, float* values) {
  ForEachVector(static_cast<int64_t>(count), [halves, values](auto d, int64_t i) {
    hn::StoreU(LoadValues(d, halves + i), d, values + i);
  });
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(RoundRange);
HWY_EXPORT(AddRoundedRange);
HWY_EXPORT(NarrowRange);
HWY_EXPORT(WidenRange);

namespace {
constexpr size_t kElementsPerTask = 65536;  // 256 KiB: long enough to hide the cost of a task
}  // namespace

void round_to_bf16(Compute& compute, size_t count, float* values) {
  const auto range = HWY_DYNAMIC_DISPATCH(RoundRange);
  compute.parallel_ranges(count, kElementsPerTask,
                          [&](size_t begin, size_t end) { range(values + begin, end - begin); });
}

void add_rounded_to_bf16(Compute& compute, const float* x, size_t count, float* sums) {
  const auto range = HWY_DYNAMIC_DISPATCH(AddRoundedRange);
  compute.parallel_ranges(count, kElementsPerTask,
                          [&](size_t begin, size_t end) { range(x + begin, end - begin, sums + begin); });
}

void to_bf16(Compute& compute, const float* values, size_t count, Bf16* halves) {
  const auto range = HWY_DYNAMIC_DISPATCH(NarrowRange);
  compute.parallel_ranges(count, kElementsPerTask, [&](size_t begin, size_t end) {
    range(values + begin, end - begin, halves + begin);
  });
}

void from_bf16(Compute& compute, const Bf16* halves, size_t count, float* values) {
  const auto range = HWY_DYNAMIC_DISPATCH(WidenRange);
  compute.parallel_ranges(count, kElementsPerTask, [&](size_t begin, size_t end) {
    range(halves + begin, end - begin, values + begin);
  });
}

}  // namespace pretrain
#endif  // HWY_ONCE
