// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/adamw_kernel.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/adamw_kernel.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// AdamW for a vector of parameters, in one pass over gradient, moments and parameter:
///
///   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
///   p -= rate (m / correction1 / (sqrt(v / correction2) + epsilon) + decay p)
///
/// A cautious decay is for elements that the update moves towards zero anyway.
/// The update is limited by memory, so a second pass would cost as much again.
/// Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", algorithm 2; Chen et al., "Cautious Weight
/// Decay", algorithm 1.
template <class D>
void UpdateVector(D d, const AdamWStep& s, float weight_decay, const float* gradient, float* parameter,
                  float* m, float* v) {
  const auto g = hn::Mul(hn::LoadU(d, gradient), hn::Set(d, s.gradient_scale));
  const auto m_new = hn::MulAdd(hn::Set(d, s.beta1), hn::LoadU(d, m), hn::Mul(hn::Set(d, 1.0F - s.beta1), g));
  const auto v_new =
      hn::MulAdd(hn::Set(d, s.beta2), hn::LoadU(d, v), hn::Mul(hn::Set(d, 1.0F - s.beta2), hn::Mul(g, g)));
  hn::StoreU(m_new, d, m);
  hn::StoreU(v_new, d, v);
  const auto root = hn::Sqrt(hn::Mul(v_new, hn::Set(d, s.inverse_correction2)));
  const auto direction =
      hn::Div(hn::Mul(m_new, hn::Set(d, s.inverse_correction1)), hn::Add(root, hn::Set(d, s.epsilon)));
  const auto p = hn::LoadU(d, parameter);
  auto decaying = p;
  if (s.cautious_decay) decaying = hn::IfThenElseZero(hn::Ge(hn::Mul(direction, p), hn::Zero(d)), p);
  const auto change = hn::MulAdd(hn::Set(d, weight_decay), decaying, direction);
  hn::StoreU(hn::NegMulAdd(hn::Set(d, s.learning_rate), change, p), d, parameter);
}

void UpdateRange(const AdamWStep& step, float weight_decay, size_t count, const float* gradient,
                 float* parameter, float* m, float* v) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const size_t N = hn::Lanes(d);
  size_t i = 0;
  for (; i + N <= count; i += N)
    UpdateVector(d, step, weight_decay, gradient + i, parameter + i, m + i, v + i);
  for (; i < count; ++i) UpdateVector(d1, step, weight_decay, gradient + i, parameter + i, m + i, v + i);
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(UpdateRange);

void adamw_update(const AdamWStep& step, float weight_decay, size_t count, const float* gradient,
                  float* parameter, float* m, float* v) {
  HWY_DYNAMIC_DISPATCH(UpdateRange)(step, weight_decay, count, gradient, parameter, m, v);
}

}  // namespace pretrain
#endif  // HWY_ONCE
