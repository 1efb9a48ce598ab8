// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/rotary.h"

#include <cmath>

#include "libs/base/check.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/rotary.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, and included once a target.
#include "libs/tensor/elements-inl.h"
#include "libs/tensor/sums-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

/// The angles of one position.
struct Angles {
  const float* cosines;  // [half]
  const float* sines;
  int64_t half;
};

/// Rotates each pair (x[j], x[half + j]) by the angle of its position and frequency. With a gain, x * factor
/// * gain is rotated instead of x. T: float or Bf16.
template <class T>
void TurnRow(const Angles& angles, const float* gain, float factor, const T* x, float* y) {
  const int64_t half = angles.half;
  ForEachVector(half, [&](auto d, int64_t j) {
    auto a = LoadValues(d, x + j);
    auto b = LoadValues(d, x + half + j);
    if (gain != nullptr) {
      const auto scale = hn::Set(d, factor);
      a = hn::Mul(hn::Mul(a, scale), hn::LoadU(d, gain + j));
      b = hn::Mul(hn::Mul(b, scale), hn::LoadU(d, gain + half + j));
    }
    const auto c = hn::LoadU(d, angles.cosines + j);
    const auto s = hn::LoadU(d, angles.sines + j);
    hn::StoreU(hn::NegMulAdd(b, s, hn::Mul(a, c)), d, y + j);
    hn::StoreU(hn::MulAdd(a, s, hn::Mul(b, c)), d, y + half + j);
  });
}

/// The inverse rotation. It is the transpose of the rotation, so it also maps the gradient of y to that of x.
void TurnRowBack(const Angles& angles, const float* dy, float* dx) {
  const int64_t half = angles.half;
  ForEachVector(half, [&](auto d, int64_t j) {
    const auto a = hn::LoadU(d, dy + j);
    const auto b = hn::LoadU(d, dy + half + j);
    const auto c = hn::LoadU(d, angles.cosines + j);
    const auto s = hn::LoadU(d, angles.sines + j);
    hn::StoreU(hn::MulAdd(b, s, hn::Mul(a, c)), d, dx + j);
    hn::StoreU(hn::NegMulAdd(a, s, hn::Mul(b, c)), d, dx + half + j);
  });
}

template <class T>
float InverseRms(const T* x, int64_t D, float epsilon) {
  return 1.0F / std::sqrt(SumOfProducts(x, x, D) / static_cast<float>(D) + epsilon);
}

/// The backward pass of RMSNorm (rms_norm.cpp), in place. dx: the gradient of x * rstd * gain on entry, that
/// of x on return.
template <class T>
void NormRowBack(const float* gain, float rstd, const T* x, int64_t D, float* dx, float* dgain) {
  const float mean =
      rstd *
      SumOver(D,
              [&](auto d, int64_t i) {
                return hn::Mul(hn::Mul(hn::LoadU(d, dx + i), hn::LoadU(d, gain + i)), LoadValues(d, x + i));
              }) /
      static_cast<float>(D);
  ForEachVector(D, [&](auto d, int64_t i) {
    const auto xhat = hn::Mul(LoadValues(d, x + i), hn::Set(d, rstd));
    const auto dn = hn::LoadU(d, dx + i);
    if (dgain != nullptr) hn::StoreU(hn::MulAdd(dn, xhat, hn::LoadU(d, dgain + i)), d, dgain + i);
    const auto inner = hn::NegMulAdd(xhat, hn::Set(d, mean), hn::Mul(dn, hn::LoadU(d, gain + i)));
    hn::StoreU(hn::Mul(hn::Set(d, rstd), inner), d, dx + i);
  });
}

void TurnRows(const HeadTurn& turn, int64_t first, int64_t rows, const ConstOperand& x, int64_t ld, float* y,
              int64_t ld_y) {
  const int64_t D = turn.rotary->head_size();
  x.visit([&](const auto* values) {
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t t = first + r;
      const auto* row = values + r * ld;
      const float rstd = turn.gain == nullptr ? 1.0F : InverseRms(row, D, turn.epsilon);
      TurnRow({turn.rotary->cosines(t), turn.rotary->sines(t), D / 2}, turn.gain, rstd, row, y + r * ld_y);
    }
  });
}

void TurnRowsBackward(const HeadTurn& turn, int64_t first, int64_t rows, const ConstOperand& x, int64_t ld,
                      const float* dy, int64_t ld_dy, float* dx, int64_t ld_dx, float* dgain) {
  const int64_t D = turn.rotary->head_size();
  x.visit([&](const auto* values) {
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t t = first + r;
      const auto* row = values + r * ld;
      TurnRowBack({turn.rotary->cosines(t), turn.rotary->sines(t), D / 2}, dy + r * ld_dy, dx + r * ld_dx);
      if (turn.gain != nullptr)
        NormRowBack(turn.gain, InverseRms(row, D, turn.epsilon), row, D, dx + r * ld_dx, dgain);
    }
  });
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(TurnRows);
HWY_EXPORT(TurnRowsBackward);

RotaryTable::RotaryTable(int64_t T, int64_t D, double theta)
    : T_(T), half_(D / 2), cosines_(static_cast<size_t>(T * half_)), sines_(cosines_.size()) {
  PRETRAIN_CHECK(D % 2 == 0 && theta > 0, "RoPE of {} channels with theta {}", D, theta);
  // Rounds exponent, frequency and angle to float where transformers does, so that logits are equal.
  for (int64_t j = 0; j < half_; ++j) {
    const auto exponent = static_cast<float>(2 * j) / static_cast<float>(D);
    const float frequency = 1.0F / static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
    for (int64_t t = 0; t < T; ++t) {
      const auto angle = static_cast<double>(static_cast<float>(t) * frequency);
      cosines_[static_cast<size_t>(t * half_ + j)] = static_cast<float>(std::cos(angle));
      sines_[static_cast<size_t>(t * half_ + j)] = static_cast<float>(std::sin(angle));
    }
  }
}

void turn_rows(const HeadTurn& turn, int64_t first, int64_t rows, const ConstOperand& x, int64_t ld, float* y,
               int64_t ld_y) {
  PRETRAIN_CHECK(first + rows <= turn.rotary->positions(), "positions {} to {} of {}", first, first + rows,
                 turn.rotary->positions());
  HWY_DYNAMIC_DISPATCH(TurnRows)(turn, first, rows, x, ld, y, ld_y);
}

void turn_rows_backward(const HeadTurn& turn, int64_t first, int64_t rows, const ConstOperand& x, int64_t ld,
                        const float* dy, int64_t ld_dy, float* dx, int64_t ld_dx, float* dgain) {
  PRETRAIN_CHECK(first + rows <= turn.rotary->positions(), "positions {} to {} of {}", first, first + rows,
                 turn.rotary->positions());
  HWY_DYNAMIC_DISPATCH(TurnRowsBackward)(turn, first, rows, x, ld, dy, ld_dy, dx, ld_dx, dgain);
}

}  // namespace pretrain
#endif  // HWY_ONCE
