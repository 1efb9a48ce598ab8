// SPDX-License-Identifier: Apache-2.0
// Central differences judge the gradients of the double versions, as in reference_test.cpp.

#include <gtest/gtest.h>

#include "libs/tensor/reference/gated_ops.h"
#include "tests/libs/tensor/kernel_testing.h"
#include "tests/support/matchers.h"

namespace pretrain {
namespace {

using reference::GroupedAttention;
using reference::Matrix;
using test::all_close;
using test::area;
using test::as_double;
using test::central_differences;
using test::dot;
using test::normal_values;

constexpr double kBound = 1e-7;

TEST(GatedReference, RmsNormGivesRowsOfMeanSquareOne) {
  const Matrix x = as_double(normal_values(2 * 9, 1, 3.0));
  const Matrix y = reference::rms_norm(x, Matrix(9, 1.0), 0, 2, 9);
  for (int64_t m = 0; m < 2; ++m) {
    const Matrix row(y.begin() + m * 9, y.begin() + (m + 1) * 9);
    EXPECT_NEAR(dot(row, row) / 9, 1, 1e-12);
  }
}

TEST(GatedReference, RmsNormGradientsAgreeWithCentralDifferences) {
  const int64_t M = 3, C = 5;
  const Matrix x = as_double(normal_values(area(M, C), 1)), gain = as_double(normal_values(5, 2)),
               dy = as_double(normal_values(area(M, C), 3));
  const auto d = reference::rms_norm_backward(dy, x, gain, 1e-3, M, C);
  const auto of_x = [&](const Matrix& v) { return dot(dy, reference::rms_norm(v, gain, 1e-3, M, C)); };
  const auto of_gain = [&](const Matrix& v) { return dot(dy, reference::rms_norm(x, v, 1e-3, M, C)); };
  EXPECT_TRUE(all_close(d.x, central_differences(of_x, x), kBound));
  EXPECT_TRUE(all_close(d.gain, central_differences(of_gain, gain), kBound));
}

TEST(GatedReference, SwigluIsTheSiluOfTheGateTimesUp) {
  // silu(1) = 1 / (1 + exp(-1)) = 0.7310585786, silu(-2) = -0.2384058440.
  const Matrix y = reference::swiglu({1, -2, 0}, {2, 3, 5});
  EXPECT_NEAR(y[0], 2 * 0.7310585786, 1e-9);
  EXPECT_NEAR(y[1], 3 * -0.2384058440, 1e-9);
  EXPECT_EQ(y[2], 0);
}

TEST(GatedReference, SwigluGradientsAgreeWithCentralDifferences) {
  const Matrix gate = as_double(normal_values(40, 1, 2.0)), up = as_double(normal_values(40, 2)),
               dh = as_double(normal_values(40, 3));
  const auto d = reference::swiglu_backward(dh, gate, up);
  const auto of_gate = [&](const Matrix& v) { return dot(dh, reference::swiglu(v, up)); };
  const auto of_up = [&](const Matrix& v) { return dot(dh, reference::swiglu(gate, v)); };
  EXPECT_TRUE(all_close(d.gate, central_differences(of_gate, gate), kBound));
  EXPECT_TRUE(all_close(d.up, central_differences(of_up, up), kBound));
}

/// At position 1 the first pair of two turns by one radian, channel 0 with channel 2.
TEST(GatedReference, RotatesHalfSplitPairs) {
  const Matrix y = reference::rotate({1, 2, 3, 4, 1, 2, 3, 4}, 2, 4, 10'000);
  EXPECT_EQ(Matrix(y.begin(), y.begin() + 4), (Matrix{1, 2, 3, 4}));
  EXPECT_NEAR(y[4], std::cos(1) - 3 * std::sin(1), 1e-12);
  EXPECT_NEAR(y[6], 3 * std::cos(1) + std::sin(1), 1e-12);
  EXPECT_NEAR(y[5], 2 * std::cos(0.01) - 4 * std::sin(0.01), 1e-12);
  EXPECT_NEAR(y[7], 4 * std::cos(0.01) + 2 * std::sin(0.01), 1e-12);
  EXPECT_TRUE(all_close(reference::rotate_back(y, 2, 4, 10'000), Matrix{1, 2, 3, 4, 1, 2, 3, 4}, 1e-12));
}

TEST(GatedReference, GroupedAttentionWithAHeadEachIsCausalAttention) {
  const GroupedAttention a{.B = 2, .T = 5, .H = 3, .K = 3, .D = 4};
  const Matrix qkv = as_double(normal_values(area(10, a.width()), 1));
  EXPECT_TRUE(
      all_close(reference::grouped_attention(qkv, a), reference::causal_attention(qkv, 2, 5, 3, 4), 1e-12));
}

/// Heads 0 and 1 read key-value head 0, heads 2 and 3 read 1: attention at position 0 returns the value
/// itself.
TEST(GatedReference, GroupedAttentionSharesKeyValueHeads) {
  const GroupedAttention a{.B = 1, .T = 1, .H = 4, .K = 2, .D = 2};
  const Matrix qkv = as_double(normal_values(area(1, a.width()), 1));
  const Matrix out = reference::grouped_attention(qkv, a);
  EXPECT_TRUE(
      all_close(out, Matrix{qkv[12], qkv[13], qkv[12], qkv[13], qkv[14], qkv[15], qkv[14], qkv[15]}, 1e-12));
}

TEST(GatedReference, GroupedAttentionGradientsAgreeWithCentralDifferences) {
  GroupedAttention a{.B = 2, .T = 4, .H = 4, .K = 2, .D = 4, .theta = 100, .epsilon = 1e-3};
  a.q_gain = as_double(normal_values(4, 5));
  a.k_gain = as_double(normal_values(4, 6));
  const Matrix qkv = as_double(normal_values(area(8, a.width()), 1)),
               dout = as_double(normal_values(area(8, 16), 2));
  const auto d = reference::grouped_attention_backward(dout, qkv, a);
  const auto of_qkv = [&](const Matrix& v) { return dot(dout, reference::grouped_attention(v, a)); };
  EXPECT_TRUE(all_close(d.qkv, central_differences(of_qkv, qkv), kBound));
  const auto of_gain = [&](Matrix GroupedAttention::*gain) {
    return [&a, &qkv, &dout, gain](const Matrix& v) {
      GroupedAttention changed = a;
      changed.*gain = v;
      return dot(dout, reference::grouped_attention(qkv, changed));
    };
  };
  EXPECT_TRUE(all_close(d.q_gain, central_differences(of_gain(&GroupedAttention::q_gain), a.q_gain), kBound));
  EXPECT_TRUE(all_close(d.k_gain, central_differences(of_gain(&GroupedAttention::k_gain), a.k_gain), kBound));
}

}  // namespace
}  // namespace pretrain
