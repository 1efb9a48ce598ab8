// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/reduction.h"

#include <atomic>
#include <numeric>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/reduction.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Two chains of sums, because one would wait for the latency of each addition. A range is short enough for
/// float sums, of as many chains as a vector has lanes; the sums of ranges are added in double.
float SquaresRange(const float* x, size_t count) {
  const hn::ScalableTag<float> d;
  if constexpr (hn::MaxLanes(d) == 1) {
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    return static_cast<float>(sum);
  }
  const size_t lanes = hn::Lanes(d);
  auto a = hn::Zero(d);
  auto b = hn::Zero(d);
  size_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto first = hn::LoadU(d, x + i);
    const auto second = hn::LoadU(d, x + i + lanes);
    a = hn::MulAdd(first, first, a);
    b = hn::MulAdd(second, second, b);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(a, b)));
  for (; i < count; ++i) sum += x[i] * x[i];
  return sum;
}

void AddRange(const float* x, size_t count, float* sums) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    hn::StoreU(hn::Add(hn::LoadU(d, sums + i), hn::LoadU(d, x + i)), d, sums + i);
  for (; i < count; ++i) sums[i] += x[i];
}

/// Without branches, so that it runs at memory speed.
bool FiniteRange(const float* x, size_t count) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto zero = hn::Zero(d);
  auto poisoned = zero;  // x * 0 is 0 for finite x and NaN otherwise
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) poisoned = hn::MulAdd(hn::LoadU(d, x + i), zero, poisoned);
  float sum = hn::GetLane(hn::SumOfLanes(d, poisoned));
  for (; i < count; ++i) sum += x[i] * 0.0F;
  return sum == 0.0F;
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(SquaresRange);
HWY_EXPORT(AddRange);
HWY_EXPORT(FiniteRange);

namespace {
constexpr size_t kElementsPerTask = 65536;  // 256 KiB: long enough to hide the cost of a task
}  // namespace

SumOfSquares::SumOfSquares(size_t count)
    : count_(count), partial_((count + kElementsPerTask - 1) / kElementsPerTask) {}

double SumOfSquares::operator()(Compute& compute, const float* x) {
  const auto range = HWY_DYNAMIC_DISPATCH(SquaresRange);
  compute.parallel_ranges(count_, kElementsPerTask, [&](size_t begin, size_t end) {
    partial_[begin / kElementsPerTask] = static_cast<double>(range(x + begin, end - begin));
  });
  return std::accumulate(partial_.begin(), partial_.end(), 0.0);
}

void add(Compute& compute, const float* x, size_t count, float* sums) {
  const auto range = HWY_DYNAMIC_DISPATCH(AddRange);
  compute.parallel_ranges(count, kElementsPerTask,
                          [&](size_t begin, size_t end) { range(x + begin, end - begin, sums + begin); });
}

bool all_finite(Compute& compute, const float* x, size_t count) {
  const auto range = HWY_DYNAMIC_DISPATCH(FiniteRange);
  std::atomic<bool> finite{true};
  compute.parallel_ranges(count, kElementsPerTask, [&](size_t begin, size_t end) {
    if (!range(x + begin, end - begin)) finite = false;
  });
  return finite;
}

}  // namespace pretrain
#endif  // HWY_ONCE
