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

template <class D>
hn::Vec<D> MakePairs(D d, hn::Vec<D> first, hn::Vec<D> second) {
  const hn::RebindToUnsigned<D> du;
  const auto upper = hn::And(RoundToBf16(d, second), hn::Set(du, 0xFFFF0000));
  return hn::BitCast(d, hn::Or(hn::ShiftRight<16>(RoundToBf16(d, first)), upper));
}

/// From bf16 as they are.
template <class D>
hn::Vec<D> MakePairs(D d, hn::Vec<hn::RebindToUnsigned<D>> first, hn::Vec<hn::RebindToUnsigned<D>> second) {
  return hn::BitCast(d, hn::Or(first, hn::ShiftLeft<16>(second)));
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

#undef PRETRAIN_BF16_INSTRUCTION
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3  // better targets have lower values
#define PRETRAIN_BF16_INSTRUCTION 1

/// Whether this processor has the instruction of AddProductsOfPairs().
inline bool HasBf16Instruction() {
  return __builtin_cpu_supports("avx512bf16");
}

/// sum + second of a * second of b + first of a * first of b. Written in assembly since the target that
/// Highway compiles for has no such intrinsic.
template <class V>
HWY_INLINE V AddProductsOfPairs(V a, V b, V sum) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
  return sum;
}
#else
#define PRETRAIN_BF16_INSTRUCTION 0
inline bool HasBf16Instruction() {
  return false;
}
#endif

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
