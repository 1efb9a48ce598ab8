// SPDX-License-Identifier: Apache-2.0
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

// Products of one token's vector, for generation. They read each weight once and are limited by memory
// bandwidth, not by arithmetic, so they read W in its own order and need no packing.

/// y[0, N) = sum over k of x[k] W[k, 0..N). Four rows at a time, so that y is read and written once for all
/// four.
void AddRows(const float* x, const float* W, int64_t K, int64_t N, float* y) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  constexpr int64_t kRows = 4;
  std::fill(y, y + N, 0.0F);
  int64_t k = 0;
  for (; k + kRows <= K; k += kRows) {
    const float* row = W + k * N;
    const auto x0 = hn::Set(d, x[k]);
    const auto x1 = hn::Set(d, x[k + 1]);
    const auto x2 = hn::Set(d, x[k + 2]);
    const auto x3 = hn::Set(d, x[k + 3]);
    int64_t n = 0;
    for (; n + lanes <= N; n += lanes) {
      // Prefetches the next four rows; after the last ones, those of the next task.
      for (int64_t r = kRows; r < 2 * kRows; ++r) __builtin_prefetch(row + r * N + n, 0, 3);
      auto sum = hn::MulAdd(x0, hn::LoadU(d, row + n), hn::LoadU(d, y + n));
      sum = hn::MulAdd(x1, hn::LoadU(d, row + N + n), sum);
      sum = hn::MulAdd(x2, hn::LoadU(d, row + 2 * N + n), sum);
      hn::StoreU(hn::MulAdd(x3, hn::LoadU(d, row + 3 * N + n), sum), d, y + n);
    }
    for (; n < N; ++n) {
      for (int64_t r = 0; r < kRows; ++r) y[n] += x[k + r] * row[r * N + n];
    }
  }
  for (; k < K; ++k) {
    for (int64_t n = 0; n < N; ++n) y[n] += x[k] * W[k * N + n];
  }
}

/// Two chains of sums, because one would wait for the latency of each addition.
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

HWY_EXPORT(AddRows);
HWY_EXPORT(Dot);

namespace {

/// Rows of W of one task: 256 KiB of consecutive memory, and at least 8 rows. Whole rows reach 0.9 of the
/// read bandwidth, tasks of 256 columns only 0.5.
int64_t rows_per_task(int64_t N) {
  constexpr int64_t kFloatsPerTask = 65'536;
  return std::max<int64_t>(8, kFloatsPerTask / N / 4 * 4);
}

}  // namespace

size_t vector_product_scratch_floats(int64_t K, int64_t N) {
  return static_cast<size_t>((K + rows_per_task(N) - 1) / rows_per_task(N) * N);
}

/// Each task sums its rows into its own part of the scratch; the parts are then added in order, so that the
/// result does not depend on the threads.
void vector_times_matrix(Compute& compute, const float* x, const float* W, const float* bias, int64_t K,
                         int64_t N, float* scratch, float* y) {
  const auto add_rows = HWY_DYNAMIC_DISPATCH(AddRows);
  const int64_t rows = rows_per_task(N);
  const int64_t tasks = (K + rows - 1) / rows;
  compute.parallel_for(static_cast<size_t>(tasks), [&](size_t task) {
    const int64_t first = static_cast<int64_t>(task) * rows;
    add_rows(x + first, W + first * N, std::min(rows, K - first), N,
             scratch + static_cast<int64_t>(task) * N);
  });
  if (bias != nullptr) {
    std::copy(bias, bias + N, y);
  } else {
    std::fill(y, y + N, 0.0F);
  }
  for (int64_t task = 0; task < tasks; ++task) {
    for (int64_t n = 0; n < N; ++n) y[n] += scratch[task * N + n];
  }
}

void matrix_times_vector(Compute& compute, const float* W, const float* x, int64_t N, int64_t K, float* y) {
  const auto dot = HWY_DYNAMIC_DISPATCH(Dot);
  constexpr size_t kRowsPerTask = 256;  // 0.5 MiB at a width of 512
  compute.parallel_ranges(static_cast<size_t>(N), kRowsPerTask, [&](size_t begin, size_t end) {
    for (size_t n = begin; n < end; ++n) y[n] = dot(W + static_cast<int64_t>(n) * K, x, K);
  });
}

/// Softmax of the scores, shifted by their maximum so that exp() can't overflow, then the weighted sum of
/// values.
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
