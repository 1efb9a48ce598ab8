// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/rms_norm.h"

#include <gtest/gtest.h>

#include "libs/tensor/reference/gated_ops.h"
#include "tests/libs/tensor/kernel_testing.h"
#include "tests/support/matchers.h"

namespace pretrain {
namespace {

using reference::Matrix;
using test::all_close;
using test::area;
using test::as_double;
using test::Guarded;
using test::normal_values;

constexpr float kEpsilon = 1e-6F;

/// Inputs of one case and what the forward pass made of them; starts at odd places.
struct Case {
  Case(Compute& compute, int64_t M, int64_t C)
      : x(normal_values(area(M, C), 1), 1),
        gain(normal_values(area(1, C), 2), 3),
        dy(normal_values(area(M, C), 3), 2),
        out(area(M, C), 7),
        rstd(area(1, M), 1),
        rows{.x = x.data(), .gain = gain.data(), .M = M, .C = C} {
    rms_norm_forward(compute, rows, kEpsilon, out.data(), rstd.data());
  }
  reference::RmsNormGradients gradients() const {
    return reference::rms_norm_backward(as_double(dy.copy()), as_double(x.copy()), as_double(gain.copy()),
                                        static_cast<double>(kEpsilon), rows.M, rows.C);
  }
  /// A small row of few channels has a large rstd, which magnifies roundings.
  double bound() const {
    const std::vector<float> r = rstd.copy();
    return test::sum_bound(rows.C) *
           std::max(1.0, static_cast<double>(*std::max_element(r.begin(), r.end())));
  }

  Guarded x, gain, dy, out, rstd;
  RmsNormRows rows;
};

template <typename F>
void for_each_case(const F& check) {
  Compute compute(2);
  test::for_each_target([&] {
    for (const int64_t C : {1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 64, 65, 200, 600}) {
      for (const int64_t M : {1, 31, 32, 33, 65}) {
        SCOPED_TRACE(testing::Message() << M << " x " << C);
        Case c(compute, M, C);
        check(compute, c);
      }
    }
  });
}

TEST(RmsNorm, ForwardAgreesWithTheReference) {
  for_each_case([](Compute&, const Case& c) {
    const Matrix expected = reference::rms_norm(as_double(c.x.copy()), as_double(c.gain.copy()),
                                                static_cast<double>(kEpsilon), c.rows.M, c.rows.C);
    EXPECT_TRUE(all_close(c.out.copy(), expected, test::sum_bound(c.rows.C)));
    EXPECT_TRUE(c.out.intact() && c.rstd.intact());
  });
}

TEST(RmsNorm, BackwardAddsTheGradientOfTheInput) {
  for_each_case([](Compute& compute, const Case& c) {
    const std::vector<float> before = normal_values(area(c.rows.M, c.rows.C), 5);
    Guarded dx(before, 1);
    rms_norm_backward(compute, c.rows, c.rstd.data(), c.dy.data(), dx.data());
    Matrix expected = c.gradients().x;
    for (size_t i = 0; i < expected.size(); ++i) expected[i] += static_cast<double>(before[i]);
    EXPECT_TRUE(all_close(dx.copy(), expected, c.bound()));
    EXPECT_TRUE(dx.intact());
  });
}

TEST(RmsNorm, GainGradientIsWrittenOrAdded) {
  for_each_case([](Compute& compute, const Case& c) {
    Guarded dgain(area(1, c.rows.C), 1);
    rms_norm_gain_gradient(compute, c.rows, c.rstd.data(), c.dy.data(), Store::kOverwrite, dgain.data());
    Matrix expected = c.gradients().gain;
    EXPECT_TRUE(all_close(dgain.copy(), expected, test::sum_bound(c.rows.M * c.rows.C)));
    rms_norm_gain_gradient(compute, c.rows, c.rstd.data(), c.dy.data(), Store::kAccumulate, dgain.data());
    for (double& value : expected) value *= 2;
    EXPECT_TRUE(all_close(dgain.copy(), expected, test::sum_bound(c.rows.M * c.rows.C)));
    EXPECT_TRUE(dgain.intact());
  });
}

TEST(RmsNorm, InBf16IsThatOfFloat32Rounded) {
  Compute compute(2);
  test::for_each_target([&] {
    const Case c(compute, 5, 37);
    test::GuardedBf16 out(area(5, 37), 3);
    Guarded rstd(5);
    rms_norm_forward(compute, c.rows, kEpsilon, out.data(), rstd.data());
    EXPECT_EQ(out.copy(), test::rounded(c.out.copy()));
    EXPECT_TRUE(out.intact());
  });
}

/// Rows of so small a size that the epsilon decides what they become.
TEST(RmsNorm, AddsItsEpsilonToTheMeanSquare) {
  Compute compute(1);
  for (const float epsilon : {1e-5F, 1e-6F}) {
    const std::vector<float> x(10, 1e-3F), gain(10, 1.0F);
    std::vector<float> out(10);
    float rstd = 0;
    rms_norm_forward(compute, {.x = x.data(), .gain = gain.data(), .M = 1, .C = 10}, epsilon, out.data(),
                     &rstd);
    const double expected = 1 / std::sqrt(1e-6 + static_cast<double>(epsilon));
    EXPECT_NEAR(static_cast<double>(rstd), expected, 1e-5 * expected);
  }
}

TEST(RmsNorm, DoesNotDependOnTheNumberOfThreads) {
  test::expect_same_for_any_threads([](int threads) {
    Compute compute(threads);
    Case c(compute, 300, 130);
    std::vector<float> all = c.out.copy(), dx(c.out.copy().size()), dgain(130);
    rms_norm_backward(compute, c.rows, c.rstd.data(), c.dy.data(), dx.data());
    rms_norm_gain_gradient(compute, c.rows, c.rstd.data(), c.dy.data(), Store::kOverwrite, dgain.data());
    all.insert(all.end(), dx.begin(), dx.end());
    all.insert(all.end(), dgain.begin(), dgain.end());
    return all;
  });
}

TEST(RmsNorm, PassesOnWhatIsNotANumber) {
  Compute compute(1);
  test::for_each_target([&] {
    std::vector<float> x(40, 1.0F), gain(40, 1.0F), out(40);
    x[17] = std::numeric_limits<float>::quiet_NaN();
    float rstd = 0;
    rms_norm_forward(compute, {.x = x.data(), .gain = gain.data(), .M = 1, .C = 40}, kEpsilon, out.data(),
                     &rstd);
    for (const float value : out) EXPECT_TRUE(std::isnan(value));
  });
}

}  // namespace
}  // namespace pretrain
