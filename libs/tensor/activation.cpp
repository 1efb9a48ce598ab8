// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/activation.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/activation.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, and included once a target.
#include "libs/tensor/elements-inl.h"
#include "libs/tensor/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

// GELU with the tanh approximation: gelu(x) = 0.5 x (1 + tanh u), u = sqrt(2/pi) (x + 0.044715 x^3).
// Source: Hendrycks and Gimpel, "Gaussian Error Linear Units"; GPT-2 uses it.
constexpr float kSqrtTwoOverPi = 0.7978845608F;
constexpr float kCubic = 0.044715F;

/// 0.5 (1 + tanh u) = sigmoid(2u) = 1 / (1 + exp(-2u)): one exponential, no cancellation at either end.
template <class D, class V>
V Sigmoid2u(D d, V x) {
  const V square = hn::Mul(x, x);
  const V u = hn::Mul(hn::Mul(hn::Set(d, kSqrtTwoOverPi), x),
                      hn::MulAdd(hn::Set(d, kCubic), square, hn::Set(d, 1.0F)));
  // exp(87) can't overflow, and makes the quotient the smallest normal float, which is still negligible after
  // the derivative multiplies it by x^3 (with exp(40) the derivative at -1e6 was -0.9).
  const V exponent = hn::Min(hn::Mul(hn::Set(d, -2.0F), u), hn::Set(d, 87.0F));
  return hn::Div(hn::Set(d, 1.0F), hn::Add(hn::Set(d, 1.0F), ExpUpTo88(d, exponent)));
}

template <class D, class V>
V Gelu(D d, V x) {
  return hn::Mul(x, Sigmoid2u(d, x));
}

/// From s = sigmoid(2u): gelu = x s, s' = 2 s (1 - s) u', so gelu' = s + 2 x s (1 - s) u'.
template <class D, class V>
V GeluDerivative(D d, V x, V s) {
  const V one = hn::Set(d, 1.0F);
  const V slope = hn::Mul(hn::Set(d, kSqrtTwoOverPi), hn::MulAdd(hn::Set(d, 3 * kCubic), hn::Mul(x, x), one));
  return hn::MulAdd(hn::Mul(hn::Mul(hn::Set(d, 2.0F), x), hn::Mul(s, hn::Sub(one, s))), slope, s);
}

/// T: float or Bf16.
template <class T>
void GeluForwardRange(const T* x, int64_t count, T* out) {
  ForEachVector(count, [&](auto d, int64_t i) { StoreValues(Gelu(d, LoadValues(d, x + i)), d, out + i); });
}

template <class T>
void GeluBackwardRange(const T* x, const float* dy, int64_t count, float* dx, T* out) {
  ForEachVector(count, [&](auto d, int64_t i) {
    const auto value = LoadValues(d, x + i);
    const auto s = Sigmoid2u(d, value);
    hn::StoreU(hn::Mul(hn::LoadU(d, dy + i), GeluDerivative(d, value, s)), d, dx + i);
    if (out != nullptr) StoreValues(hn::Mul(value, s), d, out + i);
  });
}

void GeluForwardBlock(int64_t rows, int64_t columns, int64_t ld, const ConstOperand& x, const Operand& out) {
  x.visit([&]<class T>(const T* values) {
    T* to = out.elements<T>();
    for (int64_t r = 0; r < rows; ++r) GeluForwardRange(values + r * ld, columns, to + r * ld);
  });
}

void GeluBackwardBlock(int64_t rows, int64_t columns, int64_t ld, const ConstOperand& x, const float* dy,
                       float* dx, const Operand& out) {
  x.visit([&]<class T>(const T* values) {
    T* to = out ? out.elements<T>() : nullptr;
    for (int64_t r = 0; r < rows; ++r) {
      GeluBackwardRange(values + r * ld, dy + r * ld, columns, dx + r * ld,
                        to == nullptr ? nullptr : to + r * ld);
    }
  });
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(GeluForwardBlock);
HWY_EXPORT(GeluBackwardBlock);

namespace {
constexpr size_t kElementsPerTask = 16384;  // 64 KiB; an element costs about 20 operations
}  // namespace

void gelu_forward(Compute& compute, const ConstOperand& x, size_t count, const Operand& out) {
  compute.parallel_ranges(count, kElementsPerTask, [&](size_t begin, size_t end) {
    const auto at = static_cast<int64_t>(begin);
    gelu_forward_block(1, static_cast<int64_t>(end) - at, 0, x.at(at), out.at(at));
  });
}

void gelu_backward(Compute& compute, const ConstOperand& x, const float* dy, size_t count, float* dx) {
  compute.parallel_ranges(count, kElementsPerTask, [&](size_t begin, size_t end) {
    const auto at = static_cast<int64_t>(begin);
    gelu_backward_block(1, static_cast<int64_t>(end) - at, 0, x.at(at), dy + begin, dx + begin);
  });
}

void gelu_forward_block(int64_t rows, int64_t columns, int64_t ld, const ConstOperand& x,
                        const Operand& out) {
  HWY_DYNAMIC_DISPATCH(GeluForwardBlock)(rows, columns, ld, x, out);
}

void gelu_backward_block(int64_t rows, int64_t columns, int64_t ld, const ConstOperand& x, const float* dy,
                         float* dx, const Operand& out) {
  HWY_DYNAMIC_DISPATCH(GeluBackwardBlock)(rows, columns, ld, x, dy, dx, out);
}

}  // namespace pretrain
#endif  // HWY_ONCE
