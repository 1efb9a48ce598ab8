// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/layer_norm.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/layer_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, and included once a target.
#include "libs/tensor/elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

/// Sums f over [0, C): first by lanes, then the lanes, then the elements after the last whole vector. This
/// order is fixed, so that results don't depend on the threads.
template <class F, class G>
float sum_over(int64_t C, const F& vector_at, const G& scalar_at) {
  const hn::ScalableTag<float> d;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  auto total = hn::Zero(d);
  int64_t i = 0;
  for (; i + N <= C; i += N) total = hn::Add(total, vector_at(i));
  float sum = hn::GetLane(hn::SumOfLanes(d, total));
  for (; i < C; ++i) sum += scalar_at(i);
  return sum;
}

// Forward: xhat = (x - mean) rstd, rstd = 1 / sqrt(variance + epsilon), out = xhat gamma + beta. Backward,
// with g = dy gamma: dx = rstd (g - mean(g) - xhat mean(g xhat)), dgamma = sum over rows of dy xhat, dbeta =
// sum of dy.
// Source: Ba, Kiros and Hinton, "Layer Normalization".

/// The variance is computed from centred values in a second pass over the row, which is in the cache: E[x^2]
/// - mean^2 would cancel. T: float or Bf16.
template <class T>
void NormalizeRowTo(const float* x, const float* gamma, const float* beta, int64_t C, T* out, float* mean_out,
                    float* rstd_out) {
  const hn::ScalableTag<float> d;
  const float inverse = 1.0F / static_cast<float>(C);
  const float mean =
      inverse * sum_over(
                    C, [&](int64_t i) { return hn::LoadU(d, x + i); }, [&](int64_t i) { return x[i]; });
  const auto vmean = hn::Set(d, mean);
  const float variance = inverse * sum_over(
                                       C,
                                       [&](int64_t i) {
                                         const auto centred = hn::Sub(hn::LoadU(d, x + i), vmean);
                                         return hn::Mul(centred, centred);
                                       },
                                       [&](int64_t i) { return (x[i] - mean) * (x[i] - mean); });
  const float rstd = 1.0F / std::sqrt(variance + kLayerNormEpsilon);
  ForEachVector(C, [&](auto tag, int64_t i) {
    const auto centred = hn::Sub(hn::LoadU(tag, x + i), hn::Set(tag, mean));
    const auto xhat = hn::Mul(centred, hn::Set(tag, rstd));
    StoreValues(hn::MulAdd(xhat, hn::LoadU(tag, gamma + i), hn::LoadU(tag, beta + i)), tag, out + i);
  });
  *mean_out = mean;
  *rstd_out = rstd;
}

void NormalizeRow(const float* x, const float* gamma, const float* beta, int64_t C, const Operand& out,
                  float* mean, float* rstd) {
  out.visit([&](auto* row) { NormalizeRowTo(x, gamma, beta, C, row, mean, rstd); });
}

/// Adds to dx, which already holds the gradient of the residual stream.
void BackwardRow(const float* dy, const float* x, const float* gamma, float mean, float rstd, int64_t C,
                 float* dx) {
  const hn::ScalableTag<float> d;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  const auto vmean = hn::Set(d, mean);
  const auto vrstd = hn::Set(d, rstd);
  const float inverse = 1.0F / static_cast<float>(C);
  const auto gradient = [&](int64_t i) { return hn::Mul(hn::LoadU(d, dy + i), hn::LoadU(d, gamma + i)); };
  const auto xhat = [&](int64_t i) { return hn::Mul(hn::Sub(hn::LoadU(d, x + i), vmean), vrstd); };
  const auto scalar_xhat = [&](int64_t i) { return (x[i] - mean) * rstd; };
  const float mean_g = inverse * sum_over(C, gradient, [&](int64_t i) { return dy[i] * gamma[i]; });
  const float mean_gx = inverse * sum_over(
                                      C, [&](int64_t i) { return hn::Mul(gradient(i), xhat(i)); },
                                      [&](int64_t i) { return dy[i] * gamma[i] * scalar_xhat(i); });
  const auto vmean_g = hn::Set(d, mean_g);
  const auto vmean_gx = hn::Set(d, mean_gx);
  int64_t i = 0;
  for (; i + N <= C; i += N) {
    const auto inner = hn::NegMulAdd(xhat(i), vmean_gx, hn::Sub(gradient(i), vmean_g));
    hn::StoreU(hn::MulAdd(vrstd, inner, hn::LoadU(d, dx + i)), d, dx + i);
  }
  for (; i < C; ++i) dx[i] += rstd * (dy[i] * gamma[i] - mean_g - scalar_xhat(i) * mean_gx);
}

/// Columns [begin, end) of the parameter gradients. Adds all rows in order, so that sums don't depend on the
/// threads.
void ParameterGradientColumns(const LayerNormRows& rows, const LayerNormStatistics<const float>& statistics,
                              const float* dy, int64_t begin, int64_t end, Store store,
                              const LayerNormGradients& gradients) {
  const auto [x, M, C] = rows;
  const auto [mean, rstd] = statistics;
  const auto [dgamma, dbeta] = gradients;
  const bool accumulate = store == Store::kAccumulate;
  const hn::ScalableTag<float> d;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = begin;
  for (; c + 2 * N <= end; c += 2 * N) {  // two vectors of each row, so that each cache line is read once
    auto gamma0 = accumulate ? hn::LoadU(d, dgamma + c) : hn::Zero(d);
    auto gamma1 = accumulate ? hn::LoadU(d, dgamma + c + N) : hn::Zero(d);
    auto beta0 = accumulate ? hn::LoadU(d, dbeta + c) : hn::Zero(d);
    auto beta1 = accumulate ? hn::LoadU(d, dbeta + c + N) : hn::Zero(d);
    for (int64_t m = 0; m < M; ++m) {
      const auto vmean = hn::Set(d, mean[m]);
      const auto vrstd = hn::Set(d, rstd[m]);
      const auto g0 = hn::LoadU(d, dy + m * C + c);
      const auto g1 = hn::LoadU(d, dy + m * C + c + N);
      gamma0 = hn::MulAdd(g0, hn::Mul(hn::Sub(hn::LoadU(d, x + m * C + c), vmean), vrstd), gamma0);
      gamma1 = hn::MulAdd(g1, hn::Mul(hn::Sub(hn::LoadU(d, x + m * C + c + N), vmean), vrstd), gamma1);
      beta0 = hn::Add(beta0, g0);
      beta1 = hn::Add(beta1, g1);
    }
    hn::StoreU(gamma0, d, dgamma + c);
    hn::StoreU(gamma1, d, dgamma + c + N);
    hn::StoreU(beta0, d, dbeta + c);
    hn::StoreU(beta1, d, dbeta + c + N);
  }
  for (; c + N <= end; c += N) {
    auto gamma_sum = accumulate ? hn::LoadU(d, dgamma + c) : hn::Zero(d);
    auto beta_sum = accumulate ? hn::LoadU(d, dbeta + c) : hn::Zero(d);
    for (int64_t m = 0; m < M; ++m) {
      const auto g = hn::LoadU(d, dy + m * C + c);
      const auto xhat =
          hn::Mul(hn::Sub(hn::LoadU(d, x + m * C + c), hn::Set(d, mean[m])), hn::Set(d, rstd[m]));
      gamma_sum = hn::MulAdd(g, xhat, gamma_sum);
      beta_sum = hn::Add(beta_sum, g);
    }
    hn::StoreU(gamma_sum, d, dgamma + c);
    hn::StoreU(beta_sum, d, dbeta + c);
  }
  for (; c < end; ++c) {
    float gamma_sum = accumulate ? dgamma[c] : 0.0F;
    float beta_sum = accumulate ? dbeta[c] : 0.0F;
    for (int64_t m = 0; m < M; ++m) {
      gamma_sum += dy[m * C + c] * (x[m * C + c] - mean[m]) * rstd[m];
      beta_sum += dy[m * C + c];
    }
    dgamma[c] = gamma_sum;
    dbeta[c] = beta_sum;
  }
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(NormalizeRow);
HWY_EXPORT(BackwardRow);
HWY_EXPORT(ParameterGradientColumns);

namespace {
constexpr size_t kRowsPerTask = 32;     // 64 KiB at a width of 512
constexpr size_t kColumnsPerTask = 64;  // their sums stay in the first-level cache during all rows
}  // namespace

void layer_norm_forward(Compute& compute, const LayerNormRows& rows, const LayerNormParameters& parameters,
                        const Operand& out, const LayerNormStatistics<float>& statistics) {
  const auto normalize_row = HWY_DYNAMIC_DISPATCH(NormalizeRow);
  compute.parallel_ranges(static_cast<size_t>(rows.M), kRowsPerTask, [&](size_t begin, size_t end) {
    for (size_t m = begin; m < end; ++m) {
      const auto at = static_cast<int64_t>(m) * rows.C;
      normalize_row(rows.x + at, parameters.gamma, parameters.beta, rows.C, out.at(at), statistics.mean + m,
                    statistics.rstd + m);
    }
  });
}

void layer_norm_backward(Compute& compute, const LayerNormRows& rows, const float* gamma,
                         const LayerNormStatistics<const float>& statistics, const float* dy, float* dx) {
  const auto backward_row = HWY_DYNAMIC_DISPATCH(BackwardRow);
  compute.parallel_ranges(static_cast<size_t>(rows.M), kRowsPerTask, [&](size_t begin, size_t end) {
    for (size_t m = begin; m < end; ++m) {
      const auto at = static_cast<int64_t>(m) * rows.C;
      backward_row(dy + at, rows.x + at, gamma, statistics.mean[m], statistics.rstd[m], rows.C, dx + at);
    }
  });
}

void layer_norm_parameter_gradients(Compute& compute, const LayerNormRows& rows,
                                    const LayerNormStatistics<const float>& statistics, const float* dy,
                                    Store store, const LayerNormGradients& gradients) {
  const auto columns = HWY_DYNAMIC_DISPATCH(ParameterGradientColumns);
  compute.parallel_ranges(static_cast<size_t>(rows.C), kColumnsPerTask, [&](size_t begin, size_t end) {
    columns(rows, statistics, dy, static_cast<int64_t>(begin), static_cast<int64_t>(end), store, gradients);
  });
}

}  // namespace pretrain
#endif  // HWY_ONCE
