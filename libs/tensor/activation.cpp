#include "libs/tensor/activation.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/activation.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, and included once a target.
#include "libs/tensor/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

constexpr float kSqrtTwoOverPi = 0.7978845608F;
constexpr float kCubic = 0.044715F;

/// 0.5 (1 + tanh u) = sigmoid(2u) = 1 / (1 + exp(-2u)): one exponential, no cancellation at either end.
template <class D, class V>
V Sigmoid2u(D d, V x) {
  const V square = hn::Mul(x, x);
  const V u = hn::Mul(hn::Mul(hn::Set(d, kSqrtTwoOverPi), x),
                      hn::MulAdd(hn::Set(d, kCubic), square, hn::Set(d, 1.0F)));
  // exp(87) can't overflow and makes the quotient the smallest normal float, which stays nothing even when
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

template <class D>
void GeluBackward(D d, const float* x, const float* dy, float* dx, float* out) {
  const auto value = hn::LoadU(d, x);
  const auto s = Sigmoid2u(d, value);
  hn::StoreU(hn::Mul(hn::LoadU(d, dy), GeluDerivative(d, value, s)), d, dx);
  if (out != nullptr) hn::StoreU(hn::Mul(value, s), d, out);
}

void GeluForwardRange(const float* x, size_t count, float* out) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const size_t N = hn::Lanes(d);
  size_t i = 0;
  for (; i + N <= count; i += N) hn::StoreU(Gelu(d, hn::LoadU(d, x + i)), d, out + i);
  for (; i < count; ++i) hn::StoreU(Gelu(d1, hn::LoadU(d1, x + i)), d1, out + i);
}

void GeluBackwardRange(const float* x, const float* dy, size_t count, float* dx, float* out) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const size_t N = hn::Lanes(d);
  const auto at = [out](size_t i) { return out == nullptr ? nullptr : out + i; };
  size_t i = 0;
  for (; i + N <= count; i += N) GeluBackward(d, x + i, dy + i, dx + i, at(i));
  for (; i < count; ++i) GeluBackward(d1, x + i, dy + i, dx + i, at(i));
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(GeluForwardRange);
HWY_EXPORT(GeluBackwardRange);

namespace {
constexpr size_t kElementsPerTask = 16384;
}  // namespace

void gelu_forward(Compute& compute, const float* x, size_t count, float* out) {
  const auto range = HWY_DYNAMIC_DISPATCH(GeluForwardRange);
  compute.parallel_ranges(count, kElementsPerTask,
                          [&](size_t begin, size_t end) { range(x + begin, end - begin, out + begin); });
}

void gelu_backward(Compute& compute, const float* x, const float* dy, size_t count, float* dx) {
  const auto range = HWY_DYNAMIC_DISPATCH(GeluBackwardRange);
  compute.parallel_ranges(count, kElementsPerTask, [&](size_t begin, size_t end) {
    range(x + begin, dy + begin, end - begin, dx + begin, nullptr);
  });
}

void gelu_forward_block(int64_t rows, int64_t columns, int64_t ld, const float* x, float* out) {
  const auto range = HWY_DYNAMIC_DISPATCH(GeluForwardRange);
  for (int64_t r = 0; r < rows; ++r) range(x + r * ld, static_cast<size_t>(columns), out + r * ld);
}

void gelu_backward_block(int64_t rows, int64_t columns, int64_t ld, const float* x, const float* dy,
                         float* dx, float* out) {
  const auto range = HWY_DYNAMIC_DISPATCH(GeluBackwardRange);
  for (int64_t r = 0; r < rows; ++r) {
    range(x + r * ld, dy + r * ld, static_cast<size_t>(columns), dx + r * ld,
          out == nullptr ? nullptr : out + r * ld);
  }
}

}  // namespace pretrain
#endif  // HWY_ONCE
