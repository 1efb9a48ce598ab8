// SPDX-License-Identifier: Apache-2.0
// The double versions are the judges of the fast kernels; here central differences judge their gradients.

#include <numeric>

#include <gtest/gtest.h>

#include "libs/tensor/reference/ops.h"
#include "tests/libs/tensor/kernel_testing.h"
#include "tests/support/matchers.h"

namespace pretrain {
namespace {

using reference::Matrix;
using test::all_close;
using test::as_double;
using test::central_differences;
using test::dot;
using test::normal_values;

constexpr double kBound = 1e-7;  // step 1e-5: the differences are exact to about 1e-9

TEST(Reference, LinearMultipliesAndAddsTheBias) {
  const Matrix A{1, 2, 3, 4};
  const Matrix B{5, 6, 7, 8};
  EXPECT_EQ(reference::linear(A, B, {10, 20}, 2, 2, 2), (Matrix{29, 42, 53, 70}));
  EXPECT_EQ(reference::linear(A, B, {}, 2, 2, 2), (Matrix{19, 22, 43, 50}));
  EXPECT_EQ(reference::linear_transposed(A, B, 2, 2, 2), (Matrix{17, 23, 39, 53}));
}

TEST(Reference, LayerNormGivesRowsOfMeanZeroAndVarianceOne) {
  const Matrix x = as_double(normal_values(2 * 9, 1, 3.0));
  const Matrix y = reference::layer_norm(x, Matrix(9, 1.0), Matrix(9, 0.0), 2, 9);
  for (int64_t m = 0; m < 2; ++m) {
    const Matrix row(y.begin() + m * 9, y.begin() + (m + 1) * 9);
    EXPECT_NEAR(std::accumulate(row.begin(), row.end(), 0.0), 0, 1e-12);
    EXPECT_NEAR(dot(row, row) / 9, 1, 1e-4);
  }
}

/// Small rows, of which the epsilon takes a part.
TEST(Reference, LayerNormHasGpt2sEpsilon) {
  const Matrix y = reference::layer_norm({0.01, -0.01}, Matrix(2, 1.0), Matrix(2, 0.0), 1, 2);
  EXPECT_NEAR(y[0], 0.01 / std::sqrt(1e-4 + 1e-5), 1e-12);
}

TEST(Reference, GeluIsTheTanhForm) {
  // From 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), to ten digits.
  const Matrix y = reference::gelu({-3, -1, 0, 0.5, 2});
  const Matrix expected{-0.0036373921, -0.1588080094, 0, 0.3457140098, 1.9545976940};
  for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], expected[i], 1e-9) << i;
}

TEST(Reference, LayerNormGradientsAgreeWithCentralDifferences) {
  const int64_t M = 3, C = 5;
  const Matrix x = as_double(normal_values(test::area(M, C), 1));
  const Matrix gamma = as_double(normal_values(5, 2));
  const Matrix beta = as_double(normal_values(5, 3));
  const Matrix dy = as_double(normal_values(test::area(M, C), 4));
  const auto gradients = reference::layer_norm_backward(dy, x, gamma, M, C);
  const auto of_x = [&](const Matrix& v) { return dot(dy, reference::layer_norm(v, gamma, beta, M, C)); };
  const auto of_gamma = [&](const Matrix& v) { return dot(dy, reference::layer_norm(x, v, beta, M, C)); };
  const auto of_beta = [&](const Matrix& v) { return dot(dy, reference::layer_norm(x, gamma, v, M, C)); };
  EXPECT_TRUE(all_close(gradients.x, central_differences(of_x, x), kBound));
  EXPECT_TRUE(all_close(gradients.gamma, central_differences(of_gamma, gamma), kBound));
  EXPECT_TRUE(all_close(gradients.beta, central_differences(of_beta, beta), kBound));
}

TEST(Reference, GeluGradientAgreesWithCentralDifferences) {
  const Matrix x = as_double(normal_values(50, 1, 2.0));
  const Matrix dy = as_double(normal_values(50, 2));
  const auto f = [&](const Matrix& v) { return dot(dy, reference::gelu(v)); };
  EXPECT_TRUE(all_close(reference::gelu_backward(dy, x), central_differences(f, x), kBound));
}

TEST(Reference, AttentionGradientAgreesWithCentralDifferences) {
  const int64_t B = 2, T = 4, H = 2, D = 3;
  const Matrix qkv = as_double(normal_values(test::area(B * T, 3 * H * D), 1));
  const Matrix dout = as_double(normal_values(test::area(B * T, H * D), 2));
  const auto f = [&](const Matrix& v) { return dot(dout, reference::causal_attention(v, B, T, H, D)); };
  EXPECT_TRUE(all_close(reference::causal_attention_backward(dout, qkv, B, T, H, D),
                        central_differences(f, qkv), kBound));
}

TEST(Reference, CrossEntropyGradientAgreesWithCentralDifferences) {
  const std::vector<int32_t> targets{2, -1, 0, 6};
  const Matrix logits = as_double(normal_values(4 * 7, 1, 2.0));
  const auto f = [&](const Matrix& v) {
    const Matrix losses = reference::cross_entropy(v, targets, 7);
    return std::accumulate(losses.begin(), losses.end(), 0.0);
  };
  EXPECT_TRUE(all_close(reference::cross_entropy_backward(logits, targets, 7), central_differences(f, logits),
                        kBound));
}

}  // namespace
}  // namespace pretrain
