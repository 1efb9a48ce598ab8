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

/// Elements as they are, in the lower half of each lane.
template <class D>
hn::Vec<hn::RebindToUnsigned<D>> LoadBf16(D /*tag*/, const Bf16* from) {
  const hn::Rebind<Bf16, D> d16;
  return hn::PromoteTo(hn::RebindToUnsigned<D>(), hn::LoadU(d16, from));
}

template <class D>
hn::Vec<D> LoadValues(D d, const float* from) {
  return hn::LoadU(d, from);
}

template <class D>
hn::Vec<D> LoadValues(D d, const Bf16* from) {
  return hn::BitCast(d, hn::ShiftLeft<16>(LoadBf16(d, from)));
}

template <class D>
void StoreValues(hn::Vec<D> values, D d, float* to) {
  hn::StoreU(values, d, to);
}

template <class D>
void StoreValues(hn::Vec<D> values, D d, Bf16* to) {
  const hn::Rebind<Bf16, D> d16;
  hn::StoreU(hn::TruncateTo(d16, hn::ShiftRight<16>(RoundToBf16(d, values))), d16, to);
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
