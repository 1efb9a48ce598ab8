// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/layer_norm.h"

#include <gtest/gtest.h>

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

const std::vector<int64_t> kChannels{1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 200};
const std::vector<int64_t> kRows{1, 2, 31, 32, 33, 65};

/// Inputs of one case and what the forward pass made of them; starts at odd places.
struct Case {
  Case(Compute& compute, int64_t rows, int64_t channels)
      : M(rows),
        C(channels),
        x(normal_values(area(M, C), 1), 1),
        gamma(normal_values(area(1, C), 2), 3),
        beta(normal_values(area(1, C), 3), 5),
        dy(normal_values(area(M, C), 4), 2),
        out(area(M, C), 7),
        mean(area(1, M), 1),
        rstd(area(1, M), 1) {
    layer_norm_forward(compute, {.x = x.data(), .M = M, .C = C}, {gamma.data(), beta.data()}, out.data(),
                       {mean.data(), rstd.data()});
  }
  Matrix expected() const {
    return reference::layer_norm(as_double(x.copy()), as_double(gamma.copy()), as_double(beta.copy()), M, C);
  }
  reference::LayerNormGradients gradients() const {
    return reference::layer_norm_backward(as_double(dy.copy()), as_double(x.copy()), as_double(gamma.copy()),
                                          M, C);
  }
  /// The rounding of x - mean, a few epsilon, is magnified by rstd.
  double bound(int64_t terms) const {
    const std::vector<float> r = rstd.copy();
    return test::sum_bound(terms) * std::max(1.0, static_cast<double>(*std::max_element(r.begin(), r.end())));
  }

  int64_t M, C;
  Guarded x, gamma, beta, dy, out, mean, rstd;
};

template <typename F>
void for_each_case(const F& check) {
  Compute compute(2);
  test::for_each_target([&] {
    for (const int64_t C : kChannels) {
      for (const int64_t M : kRows) {
        SCOPED_TRACE(testing::Message() << M << " x " << C);
        Case c(compute, M, C);
        check(compute, c);
      }
    }
  });
}

TEST(LayerNorm, ForwardAgreesWithTheReference) {
  for_each_case([](Compute&, const Case& c) {
    EXPECT_TRUE(all_close(c.out.copy(), c.expected(), c.bound(c.C)));
    EXPECT_TRUE(c.out.intact());
    EXPECT_TRUE(c.mean.intact());
    EXPECT_TRUE(c.rstd.intact());
  });
}

/// Rows of so small a variance that the epsilon decides what they become.
TEST(LayerNorm, AddsGpt2sEpsilonToTheVariance) {
  EXPECT_EQ(kLayerNormEpsilon, 1e-5F);
  Compute compute(1);
  test::for_each_target([&] {
    for (const float size : {1e-4F, 1e-3F, 1e-2F, 1.0F}) {
      const std::vector<float> x{size, -size, size, -size, size, -size, size, -size, size, -size};
      const std::vector<float> gamma(x.size(), 1.0F), beta(x.size());
      std::vector<float> out(x.size());
      float mean = 0;
      float rstd = 0;
      layer_norm_forward(compute, {.x = x.data(), .M = 1, .C = 10}, {gamma.data(), beta.data()}, out.data(),
                         {&mean, &rstd});
      const double expected = 1 / std::sqrt(std::pow(static_cast<double>(size), 2) + 1e-5);
      EXPECT_NEAR(static_cast<double>(rstd), expected, 1e-5 * expected) << size;
      EXPECT_NEAR(static_cast<double>(out[0]), static_cast<double>(size) * expected, 1e-5) << size;
    }
  });
}

TEST(LayerNorm, ForwardWorksInPlace) {
  Compute compute(2);
  Case c(compute, 5, 33);
  layer_norm_forward(compute, {.x = c.x.data(), .M = c.M, .C = c.C}, {c.gamma.data(), c.beta.data()},
                     c.x.data(), {c.mean.data(), c.rstd.data()});
  EXPECT_TRUE(test::same_bits(c.x.copy(), c.out.copy()));
}

TEST(LayerNorm, KeepsItsPrecisionFarFromZero) {
  Compute compute(1);
  const int64_t C = 100;
  std::vector<float> x = normal_values(area(1, C), 1);
  for (float& value : x) value += 1000;
  const std::vector<float> ones(area(1, C), 1.0F);
  const std::vector<float> zeros(area(1, C), 0.0F);
  std::vector<float> out(area(1, C));
  float mean = 0;
  float rstd = 0;
  layer_norm_forward(compute, {.x = x.data(), .M = 1, .C = C}, {ones.data(), zeros.data()}, out.data(),
                     {&mean, &rstd});
  const Matrix expected = reference::layer_norm(as_double(x), as_double(ones), as_double(zeros), 1, C);
  EXPECT_TRUE(all_close(out, expected, 1000 * test::sum_bound(1)));
}

TEST(LayerNorm, GivesTheBiasForAConstantRow) {
  Compute compute(1);
  const std::vector<float> x(20, 0.5F);
  const std::vector<float> gamma = normal_values(20, 1);
  const std::vector<float> beta = normal_values(20, 2);
  std::vector<float> out(20);
  float mean = 0;
  float rstd = 0;
  layer_norm_forward(compute, {.x = x.data(), .M = 1, .C = 20}, {gamma.data(), beta.data()}, out.data(),
                     {&mean, &rstd});
  EXPECT_EQ(out, beta);
  EXPECT_EQ(mean, 0.5F);
}

TEST(LayerNorm, BackwardAddsTheGradientOfTheInput) {
  for_each_case([](Compute& compute, const Case& c) {
    const std::vector<float> before = normal_values(area(c.M, c.C), 9);
    Guarded dx(before, 3);
    layer_norm_backward(compute, {.x = c.x.data(), .M = c.M, .C = c.C}, c.gamma.data(),
                        {c.mean.data(), c.rstd.data()}, c.dy.data(), dx.data());
    Matrix expected = c.gradients().x;
    for (size_t i = 0; i < expected.size(); ++i) expected[i] += static_cast<double>(before[i]);
    // The gradient itself has the factor rstd once more.
    EXPECT_TRUE(all_close(dx.copy(), expected, c.bound(c.C) * c.bound(1) / test::kEpsilon));
    EXPECT_TRUE(dx.intact());
  });
}

TEST(LayerNorm, ParameterGradientsAgreeWithTheReference) {
  for_each_case([](Compute& compute, const Case& c) {
    Guarded dgamma(area(1, c.C), 1);
    Guarded dbeta(area(1, c.C), 2);
    const auto run = [&](bool accumulate) {
      layer_norm_parameter_gradients(
          compute, {.x = c.x.data(), .M = c.M, .C = c.C}, {c.mean.data(), c.rstd.data()}, c.dy.data(),
          accumulate ? Store::kAccumulate : Store::kOverwrite, {dgamma.data(), dbeta.data()});
    };
    auto expected = c.gradients();
    run(false);
    EXPECT_TRUE(all_close(dgamma.copy(), expected.gamma, c.bound(c.M)));
    EXPECT_TRUE(all_close(dbeta.copy(), expected.beta, test::sum_bound(c.M)));
    run(true);
    for (double& value : expected.gamma) value *= 2;
    for (double& value : expected.beta) value *= 2;
    EXPECT_TRUE(all_close(dgamma.copy(), expected.gamma, c.bound(c.M)));
    EXPECT_TRUE(all_close(dbeta.copy(), expected.beta, test::sum_bound(c.M)));
    EXPECT_TRUE(dgamma.intact());
    EXPECT_TRUE(dbeta.intact());
  });
}

TEST(LayerNorm, DoesNotDependOnTheNumberOfThreads) {
  test::expect_same_for_any_threads([](int threads) {
    Compute compute(threads);
    Case c(compute, 150, 200);
    std::vector<float> result = c.out.copy();
    std::vector<float> dx(result.size());
    layer_norm_backward(compute, {.x = c.x.data(), .M = c.M, .C = c.C}, c.gamma.data(),
                        {c.mean.data(), c.rstd.data()}, c.dy.data(), dx.data());
    std::vector<float> dparameters(area(2, c.C));
    layer_norm_parameter_gradients(compute, {.x = c.x.data(), .M = c.M, .C = c.C},
                                   {c.mean.data(), c.rstd.data()}, c.dy.data(), Store::kOverwrite,
                                   {dparameters.data(), dparameters.data() + c.C});
    result.insert(result.end(), dx.begin(), dx.end());
    result.insert(result.end(), dparameters.begin(), dparameters.end());
    return result;
  });
}

TEST(LayerNorm, InBf16IsThatOfFloat32Rounded) {
  for_each_case([](Compute& compute, Case& c) {
    test::GuardedBf16 out(area(c.M, c.C), 1);
    layer_norm_forward(compute, {.x = c.x.data(), .M = c.M, .C = c.C}, {c.gamma.data(), c.beta.data()},
                       out.data(), {c.mean.data(), c.rstd.data()});
    EXPECT_EQ(out.copy(), test::rounded(c.out.copy()));
    EXPECT_TRUE(out.intact());
  });
}

}  // namespace
}  // namespace pretrain
