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

void ColumnSums(const float* x, int64_t ld, int64_t M, int64_t N, bool accumulate, float* sums) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t n = 0;
  for (; n + 4 * lanes <= N; n += 4 * lanes) {  // four vectors of each row while its cache lines are near
    const auto start = [&](int64_t i) {
      return accumulate ? hn::LoadU(d, sums + n + i * lanes) : hn::Zero(d);
    };
    auto total0 = start(0), total1 = start(1), total2 = start(2), total3 = start(3);
    for (int64_t m = 0; m < M; ++m) {
      const float* row = x + m * ld + n;
      total0 = hn::Add(total0, hn::LoadU(d, row));
      total1 = hn::Add(total1, hn::LoadU(d, row + lanes));
      total2 = hn::Add(total2, hn::LoadU(d, row + 2 * lanes));
      total3 = hn::Add(total3, hn::LoadU(d, row + 3 * lanes));
    }
    hn::StoreU(total0, d, sums + n);
    hn::StoreU(total1, d, sums + n + lanes);
    hn::StoreU(total2, d, sums + n + 2 * lanes);
    hn::StoreU(total3, d, sums + n + 3 * lanes);
  }
  for (; n + lanes <= N; n += lanes) {
    auto total = accumulate ? hn::LoadU(d, sums + n) : hn::Zero(d);
    for (int64_t m = 0; m < M; ++m) total = hn::Add(total, hn::LoadU(d, x + m * ld + n));
    hn::StoreU(total, d, sums + n);
  }
  for (; n < N; ++n) {
    float total = accumulate ? sums[n] : 0.0F;
    for (int64_t m = 0; m < M; ++m) total += x[m * ld + n];
    sums[n] = total;
  }
}

float SquaresRange(const float* x, size_t count) {
  const hn::ScalableTag<float> d;
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

HWY_EXPORT(ColumnSums);
HWY_EXPORT(SquaresRange);
HWY_EXPORT(FiniteRange);

namespace {
constexpr size_t kElementsPerTask = 65536;
}  // namespace

void column_sums(const float* x, int64_t ld, int64_t M, int64_t N, bool accumulate, float* sums) {
  HWY_DYNAMIC_DISPATCH(ColumnSums)(x, ld, M, N, accumulate, sums);
}

SumOfSquares::SumOfSquares(size_t count)
    : count_(count), partial_((count + kElementsPerTask - 1) / kElementsPerTask) {}

double SumOfSquares::operator()(Compute& compute, const float* x) {
  const auto range = HWY_DYNAMIC_DISPATCH(SquaresRange);
  compute.parallel_ranges(count_, kElementsPerTask, [&](size_t begin, size_t end) {
    partial_[begin / kElementsPerTask] = static_cast<double>(range(x + begin, end - begin));
  });
  return std::accumulate(partial_.begin(), partial_.end(), 0.0);
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
