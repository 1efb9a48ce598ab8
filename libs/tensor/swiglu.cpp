// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/swiglu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/swiglu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, and included once a target.
#include "libs/tensor/elements-inl.h"
#include "libs/tensor/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

// out = silu(gate) up with silu(x) = x s, s = sigmoid(x). Backward: silu' = s (1 + x (1 - s)), so
// dgate = dout up silu', dup = dout silu(gate).
// Source: Shazeer, "GLU Variants Improve Transformer".

/// 1 / (1 + exp(-x)). exp(87) can't overflow and makes the quotient the smallest normal float.
template <class D, class V>
V Sigmoid(D d, V x) {
  const V exponent = hn::Min(hn::Neg(x), hn::Set(d, 87.0F));
  return hn::Div(hn::Set(d, 1.0F), hn::Add(hn::Set(d, 1.0F), ExpUpTo88(d, exponent)));
}

/// T: float or Bf16.
template <class T>
void SwigluRange(const T* gate, const T* up, int64_t count, T* out) {
  ForEachVector(count, [&](auto d, int64_t i) {
    const auto x = LoadValues(d, gate + i);
    StoreValues(hn::Mul(hn::Mul(x, Sigmoid(d, x)), LoadValues(d, up + i)), d, out + i);
  });
}

template <class T>
/// Also computes the forward result again into `out`, if it is not null.
void SwigluBackwardRange(const T* gate, const T* up, const float* dhidden, int64_t count, float* dgate,
                         float* dup, T* out) {
  ForEachVector(count, [&](auto d, int64_t i) {
    const auto one = hn::Set(d, 1.0F);
    const auto x = LoadValues(d, gate + i);
    const auto u = LoadValues(d, up + i);
    const auto dh = hn::LoadU(d, dhidden + i);
    const auto s = Sigmoid(d, x);
    const auto silu = hn::Mul(x, s);
    const auto slope = hn::Mul(s, hn::MulAdd(x, hn::Sub(one, s), one));
    hn::StoreU(hn::Mul(hn::Mul(dh, u), slope), d, dgate + i);
    hn::StoreU(hn::Mul(dh, silu), d, dup + i);
    if (out != nullptr) StoreValues(hn::Mul(silu, u), d, out + i);
  });
}

void SwigluForwardBlock(int64_t rows, int64_t columns, int64_t ld, const ConstOperand& gate,
                        const ConstOperand& up, const Operand& out) {
  gate.visit([&]<class T>(const T* gates) {
    const T* ups = up.elements<T>();
    T* to = out.elements<T>();
    for (int64_t r = 0; r < rows; ++r) SwigluRange(gates + r * ld, ups + r * ld, columns, to + r * ld);
  });
}

void SwigluBackwardBlock(int64_t rows, int64_t columns, int64_t ld, const ConstOperand& gate,
                         const ConstOperand& up, const float* dhidden, const SwigluGradients& gradients,
                         const Operand& out) {
  gate.visit([&]<class T>(const T* gates) {
    const T* ups = up.elements<T>();
    T* to = out ? out.elements<T>() : nullptr;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t at = r * ld;
      SwigluBackwardRange(gates + at, ups + at, dhidden + at, columns, gradients.dgate + at,
                          gradients.dup + at, to == nullptr ? nullptr : to + at);
    }
  });
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(SwigluForwardBlock);
HWY_EXPORT(SwigluBackwardBlock);

void swiglu_forward_block(int64_t rows, int64_t columns, int64_t ld, const ConstOperand& gate,
                          const ConstOperand& up, const Operand& out) {
  HWY_DYNAMIC_DISPATCH(SwigluForwardBlock)(rows, columns, ld, gate, up, out);
}

void swiglu_backward_block(int64_t rows, int64_t columns, int64_t ld, const ConstOperand& gate,
                           const ConstOperand& up, const float* dhidden, const SwigluGradients& gradients,
                           const Operand& out) {
  HWY_DYNAMIC_DISPATCH(SwigluBackwardBlock)(rows, columns, ld, gate, up, dhidden, gradients, out);
}

}  // namespace pretrain
#endif  // HWY_ONCE
