// SPDX-License-Identifier: Apache-2.0
// The exponential function of a vector, for arguments that are not large. Included once a target, after
// <hwy/highway.h>.

#if defined(PRETRAIN_TENSOR_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PRETRAIN_TENSOR_EXP_INL_H_
#undef PRETRAIN_TENSOR_EXP_INL_H_
#else
#define PRETRAIN_TENSOR_EXP_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// exp(x) within two units of the last place; 0 below -87.3, where results would be denormal; undefined for
/// NaN. Half the operations of Highway's, which covers the rest, too.
/// Requires: x <= 88.
/// Source: the range reduction and polynomial of Cephes' expf.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpUpTo88(D d, V x) {
  const hn::RebindToUnsigned<D> du;
  const auto constant = [d](float value) { return hn::Set(d, value); };
  // Adding 1.5 * 2^23 leaves x / ln 2 rounded to an integer in the lowest bits.
  const V magic = constant(12582912.0F);
  const V shifted = hn::MulAdd(x, constant(1.44269504F), magic);
  const V n = hn::Sub(shifted, magic);
  const V r = hn::NegMulAdd(n, constant(-2.12194440e-4F), hn::NegMulAdd(n, constant(0.693359375F), x));
  V p = hn::MulAdd(constant(1.9875691500e-4F), r, constant(1.3981999507e-3F));
  p = hn::MulAdd(p, r, constant(8.3334519073e-3F));
  p = hn::MulAdd(p, r, constant(4.1665795894e-2F));
  p = hn::MulAdd(p, r, constant(1.6666665459e-1F));
  p = hn::MulAdd(p, r, constant(5.0000001201e-1F));
  p = hn::Add(hn::MulAdd(p, hn::Mul(r, r), r), constant(1.0F));
  const auto scaled = hn::Add(hn::BitCast(du, p), hn::ShiftLeft<23>(hn::BitCast(du, shifted)));
  return hn::IfThenElseZero(hn::Ge(x, constant(-87.3F)), hn::BitCast(d, scaled));
}

/// The same, and NaN for NaN: 0 would hide a fault.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpOrNan(D d, V x) {
  return hn::IfThenElse(hn::IsNaN(x), x, ExpUpTo88(d, x));
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
