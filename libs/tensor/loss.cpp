// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/loss.h"

#include <cmath>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/loss.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, and included once a target.
#include "libs/tensor/elements-inl.h"
#include "libs/tensor/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

// Cross-entropy of each row: loss = log(sum exp(x - max)) + max - x[target]. Its gradient is scale
// (softmax(x) - onehot(target)), written in place of the logits, because they are not needed afterwards and
// are the largest array of a step.

float MaximumOf(const float* x, int64_t V) {
  const hn::ScalableTag<float> d;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  float maximum = x[0];
  int64_t v = 0;
  if (V >= N) {
    auto lanes = hn::LoadU(d, x);
    for (v = N; v + N <= V; v += N) lanes = hn::Max(lanes, hn::LoadU(d, x + v));
    maximum = hn::GetLane(hn::MaxOfLanes(d, lanes));
  }
  for (; v < V; ++v) maximum = x[v] > maximum ? x[v] : maximum;
  return maximum;
}

/// Sum of exp(x - maximum). Stores the terms in x when `keep` is set, for the gradient.
float SumOfExponentials(float* x, int64_t V, float maximum, bool keep) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  const auto vmaximum = hn::Set(d, maximum);
  auto total = hn::Zero(d);
  int64_t v = 0;
  for (; v + N <= V; v += N) {
    const auto e = ExpOrNan(d, hn::Sub(hn::LoadU(d, x + v), vmaximum));
    if (keep) hn::StoreU(e, d, x + v);
    total = hn::Add(total, e);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, total));
  for (; v < V; ++v) {
    const float e = hn::GetLane(ExpOrNan(d1, hn::Set(d1, x[v] - maximum)));
    if (keep) x[v] = e;
    sum += e;
  }
  return sum;
}

/// T: float or Bf16; `to` is the same memory as x.
template <class T>
void GradientRow(float* x, int32_t target, int64_t V, float sum, float gradient_scale, T* to) {
  const float factor = gradient_scale / sum;
  const hn::CappedTag<float, 1> d1;
  const auto of_target = hn::Set(d1, x[target] * factor - gradient_scale);
  ForEachVector(V, [&](auto d, int64_t v) {  // bf16 is narrower, so a write never reaches unread elements
    StoreValues(hn::Mul(hn::LoadU(d, x + v), hn::Set(d, factor)), d, to + v);
  });
  StoreValues(of_target, d1, to + target);
}

/// A masked row has loss 0 and gradient 0. The gradient is only computed if gradient_scale is not 0, so that
/// evaluation pays for one pass of exponentials and nothing else.
float CrossEntropyRow(float* logits, int32_t target, int64_t V, float gradient_scale,
                      const Operand& gradient) {
  if (target < 0) {
    if (gradient_scale != 0) {
      gradient.visit([V]<class T>(T* row) { std::memset(row, 0, static_cast<size_t>(V) * sizeof(T)); });
    }
    return 0.0F;
  }
  const float maximum = MaximumOf(logits, V);
  const float target_logit = logits[target];
  const float sum = SumOfExponentials(logits, V, maximum, gradient_scale != 0);
  if (gradient_scale != 0)
    gradient.visit([&](auto* row) { GradientRow(logits, target, V, sum, gradient_scale, row); });
  return std::log(sum) + maximum - target_logit;
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(CrossEntropyRow);

LogitsGradient gradient_of_logits(float* logits, int64_t V, Precision precision) {
  if (precision == Precision::kFloat32) return {logits, V};
  return {reinterpret_cast<Bf16*>(logits), 2 * V};
}

void softmax_cross_entropy(Compute& compute, const LogitRows& rows, float gradient_scale, float* losses,
                           Precision precision) {
  const auto row = HWY_DYNAMIC_DISPATCH(CrossEntropyRow);
  const LogitsGradient gradient = gradient_of_logits(rows.logits, rows.V, precision);
  constexpr size_t kRowsPerTask = 8;  // 0.5 MB of logits with a vocabulary of 16,000
  compute.parallel_ranges(static_cast<size_t>(rows.rows), kRowsPerTask, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const auto m = static_cast<int64_t>(i);
      losses[m] = row(rows.logits + m * rows.V, rows.targets[m], rows.V, gradient_scale,
                      gradient.elements.at(m * gradient.ld));
    }
  });
}

}  // namespace pretrain
#endif  // HWY_ONCE
