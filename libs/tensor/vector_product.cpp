#include "libs/tensor/vector_product.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/vector_product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// y[begin, end) += sum over k of x[k] W[k, begin..end).
void AddColumns(const float* x, const float* W, int64_t K, int64_t N, int64_t begin, int64_t end, float* y) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t k = 0; k < K; ++k) {
    const float* row = W + k * N;
    const auto xk = hn::Set(d, x[k]);
    int64_t n = begin;
    for (; n + lanes <= end; n += lanes)
      hn::StoreU(hn::MulAdd(xk, hn::LoadU(d, row + n), hn::LoadU(d, y + n)), d, y + n);
    for (; n < end; ++n) y[n] += x[k] * row[n];
  }
}

float Dot(const float* a, const float* b, int64_t count) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto first = hn::Zero(d);
  auto second = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    first = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), first);
    second = hn::MulAdd(hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes), second);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(first, second)));
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(AddColumns);
HWY_EXPORT(Dot);

void vector_times_matrix(Compute& compute, const float* x, const float* W, const float* bias, int64_t K,
                         int64_t N, float* y) {
  const auto add_columns = HWY_DYNAMIC_DISPATCH(AddColumns);
  constexpr size_t kColumnsPerTask = 256;
  compute.parallel_ranges(static_cast<size_t>(N), kColumnsPerTask, [&](size_t begin, size_t end) {
    if (bias != nullptr) {
      std::copy(bias + begin, bias + end, y + begin);
    } else {
      std::fill(y + begin, y + end, 0.0F);
    }
    add_columns(x, W, K, N, static_cast<int64_t>(begin), static_cast<int64_t>(end), y);
  });
}

void matrix_times_vector(Compute& compute, const float* W, const float* x, int64_t N, int64_t K, float* y) {
  const auto dot = HWY_DYNAMIC_DISPATCH(Dot);
  constexpr size_t kRowsPerTask = 256;
  compute.parallel_ranges(static_cast<size_t>(N), kRowsPerTask, [&](size_t begin, size_t end) {
    for (size_t n = begin; n < end; ++n) y[n] = dot(W + static_cast<int64_t>(n) * K, x, K);
  });
}

void attend_cached(const float* q, const float* keys, const float* values, int64_t ld, int64_t count,
                   int64_t D, float* scores, float* out) {
  const auto dot = HWY_DYNAMIC_DISPATCH(Dot);
  const float scale = 1.0F / std::sqrt(static_cast<float>(D));
  float maximum = -INFINITY;
  for (int64_t t = 0; t < count; ++t) {
    scores[t] = scale * dot(q, keys + t * ld, D);
    maximum = std::max(maximum, scores[t]);
  }
  float sum = 0;
  for (int64_t t = 0; t < count; ++t) sum += scores[t] = std::exp(scores[t] - maximum);
  std::fill(out, out + D, 0.0F);
  for (int64_t t = 0; t < count; ++t) {
    const float p = scores[t] / sum;
    for (int64_t d = 0; d < D; ++d) out[d] += p * values[t * ld + d];
  }
}

}  // namespace pretrain
#endif  // HWY_ONCE
