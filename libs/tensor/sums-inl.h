// SPDX-License-Identifier: Apache-2.0
// Sums of a row in a fixed order: whole vectors in lanes, the lanes, then one by one.
// Included once a target, after <hwy/highway.h>.

#if defined(PRETRAIN_TENSOR_SUMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PRETRAIN_TENSOR_SUMS_INL_H_
#undef PRETRAIN_TENSOR_SUMS_INL_H_
#else
#define PRETRAIN_TENSOR_SUMS_INL_H_
#endif

#include <cstdint>

#include <hwy/highway.h>

#include "libs/tensor/elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

/// Sum of term(tag, i) over [0, count).
template <class F>
HWY_INLINE float SumOver(int64_t count, const F& term) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto total = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) total = hn::Add(total, term(d, i));
  float sum = hn::GetLane(hn::SumOfLanes(d, total));
  for (; i < count; ++i) sum += hn::GetLane(term(d1, i));
  return sum;
}

/// A, B: float or Bf16.
template <class A, class B>
HWY_INLINE float SumOfProducts(const A* a, const B* b, int64_t count) {
  return SumOver(count,
                 [&](auto d, int64_t i) { return hn::Mul(LoadValues(d, a + i), LoadValues(d, b + i)); });
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
