// Two bfloat16 in the place of one float: the terms k and k + 1 of a sum, in the lower and the upper half.
// Included once a target, after <hwy/highway.h>.

#if defined(PRETRAIN_TENSOR_BF16_PAIRS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PRETRAIN_TENSOR_BF16_PAIRS_INL_H_
#undef PRETRAIN_TENSOR_BF16_PAIRS_INL_H_
#else
#define PRETRAIN_TENSOR_BF16_PAIRS_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// x rounded to the nearest bf16, ties to even, in the upper half of each lane; the lower half is undefined.
/// NaN stays NaN.
template <class D>
hn::Vec<hn::RebindToUnsigned<D>> RoundToBf16(D /*tag*/, hn::Vec<D> x) {
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7FFF)));
  const auto quiet = hn::Or(bits, hn::Set(du, 0x00400000));  // else a NaN's carry could make it a zero
  return hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(x)), quiet, rounded);
}

template <class D>
hn::Vec<D> MakePairs(D d, hn::Vec<D> first, hn::Vec<D> second) {
  const hn::RebindToUnsigned<D> du;
  const auto upper = hn::And(RoundToBf16(d, second), hn::Set(du, 0xFFFF0000));
  return hn::BitCast(d, hn::Or(hn::ShiftRight<16>(RoundToBf16(d, first)), upper));
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
