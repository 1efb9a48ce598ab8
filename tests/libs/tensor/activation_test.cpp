// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/activation.h"

#include <limits>
#include <numbers>

#include <gtest/gtest.h>

#include "tests/libs/tensor/kernel_testing.h"
#include "tests/support/matchers.h"

namespace pretrain {
namespace {

using test::Guarded;

/// A grid over the part that bends, and values at which an exponential overflows or a denormal appears.
std::vector<float> interesting_values() {
  std::vector<float> values;
  for (int i = -1200; i <= 1200; ++i) values.push_back(static_cast<float>(i) / 100);
  for (const float x : {0.0F, 50.0F, 100.0F, 1e4F, 1e6F, 1e-20F, 1e-40F, 1.2e-38F,
                        std::numeric_limits<float>::denorm_min()}) {
    values.push_back(x);
    values.push_back(-x);
  }
  return values;
}

/// The terms of gelu(x) = x s and gelu'(x) = s + steep s (1 - s), in double. s = 1 / (1 + exp(-2u)) equals
/// 0.5 (1 + tanh u) without its cancellation at the negative end.
struct Terms {
  explicit Terms(float value)
      : x(static_cast<double>(value)),
        u(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)),
        s(1 / (1 + std::exp(-2 * u))),
        steep(2 * x * std::sqrt(2 / std::numbers::pi) * (1 + 3 * 0.044715 * x * x)) {}
  double forward() const { return x * s; }
  double derivative() const { return s + steep * s * (1 - s); }
  /// An error of a few epsilon in u is magnified by the exponential to 2 |u| times as much.
  double relative_error() const { return (8 + 8 * std::min(std::abs(u), 50.0)) * test::kEpsilon; }

  double x, u, s, steep;
};

/// The bound on the exponent makes s this at least; flushing denormals to zero costs less.
constexpr double kSmallestS = 2e-38;

TEST(Gelu, ForwardIsExactElementByElement) {
  Compute compute(2);
  const std::vector<float> x = interesting_values();
  test::for_each_target([&] {
    Guarded out(x.size(), 1);
    gelu_forward(compute, x.data(), x.size(), out.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const Terms t(x[i]);
      ASSERT_NEAR(static_cast<double>(out.data()[i]), t.forward(),
                  t.relative_error() * std::abs(t.forward()) + kSmallestS * std::max(1.0, std::abs(t.x)))
          << "gelu(" << x[i] << ")";
    }
    EXPECT_TRUE(out.intact());
  });
}

TEST(Gelu, InBf16IsThatOfFloat32Rounded) {
  Compute compute(2);
  const std::vector<Bf16> x = test::rounded(interesting_values());
  const std::vector<float> wide = test::widened(x);
  const std::vector<float> dy = test::normal_values(x.size(), 2);
  test::for_each_target([&] {
    test::GuardedBf16 out(x.size(), 1);
    std::vector<float> expected(x.size()), dx(x.size()), expected_dx(x.size());
    gelu_forward(compute, x.data(), x.size(), out.data());
    gelu_forward(compute, wide.data(), wide.size(), expected.data());
    EXPECT_EQ(out.copy(), test::rounded(expected));
    EXPECT_TRUE(out.intact());
    gelu_backward(compute, x.data(), dy.data(), x.size(), dx.data());
    gelu_backward(compute, wide.data(), dy.data(), wide.size(), expected_dx.data());
    EXPECT_TRUE(test::same_bits(dx, expected_dx));
  });
}

TEST(Gelu, BackwardIsExactElementByElement) {
  Compute compute(2);
  const std::vector<float> x = interesting_values();
  const std::vector<float> dy(x.size(), 1.0F);
  test::for_each_target([&] {
    Guarded dx(x.size(), 3);
    gelu_backward(compute, x.data(), dy.data(), x.size(), dx.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const Terms t(x[i]);
      const double steep = std::abs(t.steep);
      // 1 - s loses digits while s is near 1; from x = 6 on it is 0, as it should be.
      const double cancelled = t.x > 0 && t.x < 6 ? steep * test::kEpsilon : 0;
      ASSERT_NEAR(static_cast<double>(dx.data()[i]), t.derivative(),
                  t.relative_error() * (t.s + steep * t.s * (1 - t.s)) + cancelled + kSmallestS * (1 + steep))
          << "gelu'(" << x[i] << ")";
    }
    EXPECT_TRUE(dx.intact());
  });
}

TEST(Gelu, HandlesEveryLengthAndStart) {
  Compute compute(2);
  test::for_each_target([&] {
    for (const size_t count : {0U, 1U, 2U, 3U, 5U, 7U, 8U, 9U, 15U, 16U, 17U, 31U, 33U, 16385U, 33'000U}) {
      const size_t offset = count % 5;
      const Guarded x(test::normal_values(count, 1, 2.0), offset);
      const Guarded dy(test::normal_values(count, 2), 1);
      Guarded out(count, offset + 1);
      Guarded dx(count, offset);
      gelu_forward(compute, x.data(), count, out.data());
      gelu_backward(compute, x.data(), dy.data(), count, dx.data());
      const auto x_double = test::as_double(x.copy());
      EXPECT_TRUE(test::all_close(out.copy(), reference::gelu(x_double), 16 * test::kEpsilon));
      EXPECT_TRUE(test::all_close(dx.copy(), reference::gelu_backward(test::as_double(dy.copy()), x_double),
                                  64 * test::kEpsilon));
      EXPECT_TRUE(out.intact());
      EXPECT_TRUE(dx.intact());
    }
  });
}

TEST(Gelu, WorksInPlace) {
  Compute compute(1);
  const std::vector<float> x = test::normal_values(37, 1);
  const std::vector<float> dy = test::normal_values(37, 2);
  std::vector<float> out(37), dx(37), in_place = x, gradient = dy;
  gelu_forward(compute, x.data(), 37, out.data());
  gelu_forward(compute, in_place.data(), 37, in_place.data());
  EXPECT_TRUE(test::same_bits(in_place, out));
  gelu_backward(compute, x.data(), dy.data(), 37, dx.data());
  gelu_backward(compute, x.data(), gradient.data(), 37, gradient.data());
  EXPECT_TRUE(test::same_bits(gradient, dx));
}

TEST(Gelu, DoesNotHideNanOrInfinity) {
  Compute compute(1);
  test::for_each_target([&] {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()}) {
      for (size_t i = 0; i < 19; ++i) {
        std::vector<float> x = test::normal_values(19, 1);
        x[i] = bad;
        std::vector<float> out(19);
        gelu_forward(compute, x.data(), 19, out.data());
        EXPECT_FALSE(std::isfinite(out[i])) << bad << " at " << i;
      }
    }
  });
}

TEST(Gelu, DoesNotDependOnTheNumberOfThreads) {
  const std::vector<float> x = test::normal_values(50'000, 1);
  test::expect_same_for_any_threads([&](int threads) {
    Compute compute(threads);
    std::vector<float> out(x.size());
    gelu_forward(compute, x.data(), x.size(), out.data());
    gelu_backward(compute, x.data(), out.data(), x.size(), out.data());
    return out;
  });
}

}  // namespace
}  // namespace pretrain
