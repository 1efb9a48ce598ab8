// SPDX-License-Identifier: Apache-2.0
// Vectors of float32 from and to arrays whose elements are float32 or bf16.
// Included once a target, after <hwy/highway.h>.

#if defined(PRETRAIN_TENSOR_ELEMENTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PRETRAIN_TENSOR_ELEMENTS_INL_H_
#undef PRETRAIN_TENSOR_ELEMENTS_INL_H_
#else
#define PRETRAIN_TENSOR_ELEMENTS_INL_H_
#endif

#include <cstdint>

#include <hwy/highway.h>

#include "libs/tensor/precision.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#undef PRETRAIN_BF16_INSTRUCTION
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3  // better targets have lower values
#define PRETRAIN_BF16_INSTRUCTION 1

/// Whether to use the instructions for bf16. They are written in assembly since the target that Highway
/// compiles for has no such intrinsics.
inline bool HasBf16Instruction() {
  return Bf16Instruction::is_allowed();
}

/// lower, then upper, rounded as RoundToBf16() does. Volatile: else the compiler may run it ahead of the
/// question whether it can.
template <class V>
HWY_INLINE V RoundBothToBf16(V lower, V upper) {
  V both;
  asm volatile("vcvtne2ps2bf16 %2, %1, %0" : "=v"(both.raw) : "v"(upper.raw), "v"(lower.raw));
  return both;
}
#else
#define PRETRAIN_BF16_INSTRUCTION 0
inline bool HasBf16Instruction() {
  return false;
}
#endif

/// x rounded to the nearest bf16, ties to even. NaN stays NaN; denormal numbers may become zero.
template <class D>
HWY_INLINE hn::Vec<hn::Rebind<Bf16, D>> RoundToBf16(D /*tag*/, hn::Vec<D> x) {
#if PRETRAIN_BF16_INSTRUCTION
  if (HasBf16Instruction())
    return hn::LowerHalf(hn::BitCast(hn::Repartition<Bf16, D>(), RoundBothToBf16(x, x)));
#endif
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7FFF)));
  const auto quiet = hn::Or(bits, hn::Set(du, 0x00400000));  // else a NaN's carry could make it a zero
  const auto either = hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(x)), quiet, rounded);
  return hn::TruncateTo(hn::Rebind<Bf16, D>(), hn::ShiftRight<16>(either));
}

template <class D>
hn::Vec<D> LoadValues(D d, const float* from) {
  return hn::LoadU(d, from);
}

template <class D>
hn::Vec<D> LoadValues(D d, const Bf16* from) {
  const auto bits = hn::LoadU(hn::Rebind<Bf16, D>(), from);
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(hn::RebindToUnsigned<D>(), bits)));
}

template <class D>
void StoreValues(hn::Vec<D> values, D d, float* to) {
  hn::StoreU(values, d, to);
}

template <class D>
void StoreValues(hn::Vec<D> values, D d, Bf16* to) {
  const hn::Rebind<Bf16, D> d16;
  hn::StoreU(RoundToBf16(d, values), d16, to);
}

/// f(tag, i) for [0, count): whole vectors, then one by one.
template <class F>
HWY_INLINE void ForEachVector(int64_t count, const F& f) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) f(d, i);
  for (; i < count; ++i) f(d1, i);
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
