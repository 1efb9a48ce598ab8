// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/rms_norm.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/rms_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, and included once a target.
#include "libs/tensor/elements-inl.h"
#include "libs/tensor/sums-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

// Forward: xhat = x rstd, rstd = 1 / sqrt(mean(x^2) + epsilon), out = xhat gain. Backward, with g = dy gain:
// dx = rstd (g - xhat mean(g xhat)), dgain = sum over rows of dy xhat.
// Source: Zhang and Sennrich, "Root Mean Square Layer Normalization".

/// Returns rstd.
float RmsNormRow(const float* x, const float* gain, float epsilon, int64_t C, const Operand& out) {
  const float rstd = 1.0F / std::sqrt(SumOfProducts(x, x, C) / static_cast<float>(C) + epsilon);
  out.visit([&](auto* row) {
    ForEachVector(C, [&](auto d, int64_t i) {
      const auto xhat = hn::Mul(hn::LoadU(d, x + i), hn::Set(d, rstd));
      StoreValues(hn::Mul(xhat, hn::LoadU(d, gain + i)), d, row + i);
    });
  });
  return rstd;
}

/// Adds to dx, which already holds the gradient of the residual stream.
void RmsNormBackwardRow(const float* dy, const float* x, const float* gain, float rstd, int64_t C,
                        float* dx) {
  const float mean =
      rstd / static_cast<float>(C) * SumOver(C, [&](auto d, int64_t i) {
        return hn::Mul(hn::Mul(hn::LoadU(d, dy + i), hn::LoadU(d, gain + i)), hn::LoadU(d, x + i));
      });
  ForEachVector(C, [&](auto d, int64_t i) {
    const auto xhat = hn::Mul(hn::LoadU(d, x + i), hn::Set(d, rstd));
    const auto g = hn::Mul(hn::LoadU(d, dy + i), hn::LoadU(d, gain + i));
    const auto inner = hn::NegMulAdd(xhat, hn::Set(d, mean), g);
    hn::StoreU(hn::MulAdd(hn::Set(d, rstd), inner, hn::LoadU(d, dx + i)), d, dx + i);
  });
}

/// Columns [begin, end) of the gain's gradient. Adds all rows in order, so that sums don't depend on the
/// threads.
void RmsNormGainColumns(const RmsNormRows& rows, const float* rstd, const float* dy, int64_t begin,
                        int64_t end, float* dgain) {
  for (int64_t m = 0; m < rows.M; ++m) {
    const int64_t at = m * rows.C + begin;
    ForEachVector(end - begin, [&](auto d, int64_t i) {
      const auto xhat = hn::Mul(hn::LoadU(d, rows.x + at + i), hn::Set(d, rstd[m]));
      const auto sum = hn::LoadU(d, dgain + begin + i);
      hn::StoreU(hn::MulAdd(hn::LoadU(d, dy + at + i), xhat, sum), d, dgain + begin + i);
    });
  }
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(RmsNormRow);
HWY_EXPORT(RmsNormBackwardRow);
HWY_EXPORT(RmsNormGainColumns);

namespace {
constexpr size_t kRowsPerTask = 32;
constexpr size_t kColumnsPerTask = 64;  // their sums stay in the first-level cache while all rows go by
}  // namespace

void rms_norm_forward(Compute& compute, const RmsNormRows& rows, float epsilon, const Operand& out,
                      float* rstd) {
  const auto normalize_row = HWY_DYNAMIC_DISPATCH(RmsNormRow);
  compute.parallel_ranges(static_cast<size_t>(rows.M), kRowsPerTask, [&](size_t begin, size_t end) {
    for (size_t m = begin; m < end; ++m) {
      const auto at = static_cast<int64_t>(m) * rows.C;
      rstd[m] = normalize_row(rows.x + at, rows.gain, epsilon, rows.C, out.at(at));
    }
  });
}

void rms_norm_backward(Compute& compute, const RmsNormRows& rows, const float* rstd, const float* dy,
                       float* dx) {
  const auto backward_row = HWY_DYNAMIC_DISPATCH(RmsNormBackwardRow);
  compute.parallel_ranges(static_cast<size_t>(rows.M), kRowsPerTask, [&](size_t begin, size_t end) {
    for (size_t m = begin; m < end; ++m) {
      const auto at = static_cast<int64_t>(m) * rows.C;
      backward_row(dy + at, rows.x + at, rows.gain, rstd[m], rows.C, dx + at);
    }
  });
}

void rms_norm_gain_gradient(Compute& compute, const RmsNormRows& rows, const float* rstd, const float* dy,
                            Store store, float* dgain) {
  const auto columns = HWY_DYNAMIC_DISPATCH(RmsNormGainColumns);
  compute.parallel_ranges(static_cast<size_t>(rows.C), kColumnsPerTask, [&](size_t begin, size_t end) {
    if (store == Store::kOverwrite) std::fill(dgain + begin, dgain + end, 0.0F);
    columns(rows, rstd, dy, static_cast<int64_t>(begin), static_cast<int64_t>(end), dgain);
  });
}

}  // namespace pretrain
#endif  // HWY_ONCE
