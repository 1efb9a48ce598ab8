// SPDX-License-Identifier: Apache-2.0
#include "libs/optim/gradient_norm.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "tests/libs/optim/optim_testing.h"

namespace pretrain {
namespace {

TEST(GradientNorm, IsTheRootOfTheSumOfSquares) {
  Compute compute(1);
  const ParameterLayout layout(test::kTinyModel);
  GradientNorm norm(layout.flat_size());
  const std::vector<float> gradients = test::random_values(layout, 1);
  const double expected = test::norm_of(gradients);
  EXPECT_NEAR(norm(compute, gradients.data()), expected, 1e-5 * expected);
}

TEST(GradientNorm, FindsOneBadGradientAnywhere) {
  Compute compute(1);
  const ParameterLayout layout(test::kTinyModel);
  GradientNorm norm(layout.flat_size());
  std::vector<float> gradients = test::random_values(layout, 1);
  for (size_t i = 0; i < gradients.size(); ++i) {
    const float kept = gradients[i];
    gradients[i] =
        i % 2 == 0 ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
    ASSERT_FALSE(std::isfinite(norm(compute, gradients.data()))) << i;
    gradients[i] = kept;
  }
}

TEST(ClippingScale, ShortensALongGradientToTheLimit) {
  EXPECT_EQ(clipping_scale(4, 0.5), 0.125);
  EXPECT_EQ(clipping_scale(4, 3), 0.75);
}

TEST(ClippingScale, LeavesGradientsUpToTheLimit) {
  EXPECT_EQ(clipping_scale(0.5, 0.5), 1);
  EXPECT_EQ(clipping_scale(0, 0.5), 1);
}

TEST(ClippingScale, WithoutALimitLeavesAll) {
  EXPECT_EQ(clipping_scale(1e30, 0), 1);
}

}  // namespace
}  // namespace pretrain
