// SPDX-License-Identifier: Apache-2.0
// Two bfloat16 in the place of one float: the terms k and k + 1 of a sum, in the lower and the upper half.
// Included once a target, after <hwy/highway.h>.

#if defined(PRETRAIN_TENSOR_BF16_PAIRS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PRETRAIN_TENSOR_BF16_PAIRS_INL_H_
#undef PRETRAIN_TENSOR_BF16_PAIRS_INL_H_
#else
#define PRETRAIN_TENSOR_BF16_PAIRS_INL_H_
#endif

#include <hwy/highway.h>
// Included once a target, too.
#include "libs/tensor/elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

/// From bf16 as they are.
template <class D>
hn::Vec<D> MakePairs(D d, hn::Vec<hn::Rebind<Bf16, D>> first, hn::Vec<hn::Rebind<Bf16, D>> second) {
  const hn::RebindToUnsigned<D> du;
  return hn::BitCast(d, hn::Or(hn::PromoteTo(du, first), hn::ShiftLeft<16>(hn::PromoteTo(du, second))));
}

template <class D>
hn::Vec<D> MakePairs(D d, hn::Vec<D> first, hn::Vec<D> second) {
  return MakePairs(d, RoundToBf16(d, first), RoundToBf16(d, second));
}

/// From 2 N floats that follow each other.
template <class D>
hn::Vec<D> LoadPairs(D d, const float* from) {
#if PRETRAIN_BF16_INSTRUCTION
  static_assert(hn::MaxLanes(D()) >= 4);  // the halves of a smaller vector do not lie side by side
  if (HasBf16Instruction()) return RoundBothToBf16(hn::LoadU(d, from), hn::LoadU(d, from + hn::Lanes(d)));
#endif
  hn::Vec<D> first, second;
  hn::LoadInterleaved2(d, from, first, second);
  return MakePairs(d, first, second);
}

template <class D>
hn::Vec<D> FirstOfPairs([[maybe_unused]] D d, hn::Vec<D> pairs) {
  const hn::RebindToUnsigned<D> du;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::BitCast(du, pairs)));
}

template <class D>
hn::Vec<D> SecondOfPairs(D d, hn::Vec<D> pairs) {
  const hn::RebindToUnsigned<D> du;
  return hn::BitCast(d, hn::And(hn::BitCast(du, pairs), hn::Set(du, 0xFFFF0000)));
}

#if PRETRAIN_BF16_INSTRUCTION
/// sum + second of a * second of b + first of a * first of b.
template <class V>
HWY_INLINE V AddProductsOfPairs(V a, V b, V sum) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
  return sum;
}
#endif

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
