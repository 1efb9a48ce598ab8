// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/muon_kernel.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/muon_kernel.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, and included once a target.
#include "libs/tensor/elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

void MixRows(const MuonRows& block, float momentum, float gradient_scale, const float* gradient, float* m,
             float* mixed) {
  for (int64_t r = 0; r < block.rows; ++r) {
    const float* g_row = gradient + r * block.ld;
    float* m_row = m + r * block.ld;
    float* mixed_row = mixed + r * block.columns;
    ForEachVector(block.columns, [&](auto d, int64_t i) {
      const auto keep = hn::Set(d, momentum);
      const auto fresh = hn::Mul(hn::Set(d, (1 - momentum) * gradient_scale), hn::LoadU(d, g_row + i));
      const auto m_new = hn::MulAdd(keep, hn::LoadU(d, m_row + i), fresh);
      hn::StoreU(m_new, d, m_row + i);
      hn::StoreU(hn::MulAdd(keep, m_new, fresh), d, mixed_row + i);
    });
  }
}

/// Whole vectors in lanes that are added at the end; the rest one by one.
float SumOfSquares(const float* values, int64_t count) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto sums = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto v = hn::LoadU(d, values + i);
    sums = hn::MulAdd(v, v, sums);
  }
  float rest = 0;
  for (; i < count; ++i) rest += values[i] * values[i];
  return hn::GetLane(hn::SumOfLanes(d, sums)) + rest;
}

void NeuronSquares(const MuonRows& block, NeuronAxis axis, const float* direction, float* sums) {
  if (axis == NeuronAxis::kRows) {
    for (int64_t r = 0; r < block.rows; ++r) sums[r] = SumOfSquares(direction + r * block.ld, block.columns);
    return;
  }
  std::fill_n(sums, block.columns, 0.0F);
  for (int64_t r = 0; r < block.rows; ++r) {
    const float* row = direction + r * block.ld;
    ForEachVector(block.columns, [&](auto d, int64_t i) {
      const auto v = hn::LoadU(d, row + i);
      hn::StoreU(hn::MulAdd(v, v, hn::LoadU(d, sums + i)), d, sums + i);
    });
  }
}

void ScaleNeurons(const MuonRows& block, NeuronAxis axis, const float* factors, float* direction) {
  for (int64_t r = 0; r < block.rows; ++r) {
    float* row = direction + r * block.ld;
    ForEachVector(block.columns, [&](auto d, int64_t i) {
      const auto factor = axis == NeuronAxis::kRows ? hn::Set(d, factors[r]) : hn::LoadU(d, factors + i);
      hn::StoreU(hn::Mul(hn::LoadU(d, row + i), factor), d, row + i);
    });
  }
}

void ApplyRows(const MuonRows& block, const MuonChange& c, const float* direction, float* parameter) {
  for (int64_t r = 0; r < block.rows; ++r) {
    const float* direction_row = direction + r * block.columns;
    float* p_row = parameter + r * block.ld;
    ForEachVector(block.columns, [&](auto d, int64_t i) {
      const auto p = hn::LoadU(d, p_row + i);
      const auto towards = hn::LoadU(d, direction_row + i);
      auto decaying = p;
      if (c.cautious_decay) decaying = hn::IfThenElseZero(hn::Ge(hn::Mul(towards, p), hn::Zero(d)), p);
      const auto change = hn::MulAdd(hn::Set(d, c.decay), decaying, hn::Mul(hn::Set(d, c.rate), towards));
      hn::StoreU(hn::Sub(p, change), d, p_row + i);
    });
  }
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(MixRows);
HWY_EXPORT(NeuronSquares);
HWY_EXPORT(ScaleNeurons);
HWY_EXPORT(ApplyRows);

void muon_mix(const MuonRows& block, float momentum, float gradient_scale, const float* gradient, float* m,
              float* mixed) {
  HWY_DYNAMIC_DISPATCH(MixRows)(block, momentum, gradient_scale, gradient, m, mixed);
}

void muon_neuron_squares(const MuonRows& block, NeuronAxis axis, const float* direction, float* sums) {
  HWY_DYNAMIC_DISPATCH(NeuronSquares)(block, axis, direction, sums);
}

void muon_scale_neurons(const MuonRows& block, NeuronAxis axis, const float* factors, float* direction) {
  HWY_DYNAMIC_DISPATCH(ScaleNeurons)(block, axis, factors, direction);
}

void muon_apply(const MuonRows& block, const MuonChange& change, const float* direction, float* parameter) {
  HWY_DYNAMIC_DISPATCH(ApplyRows)(block, change, direction, parameter);
}

}  // namespace pretrain
#endif  // HWY_ONCE
