// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/swiglu.h"

#include <limits>

#include <gtest/gtest.h>

#include "libs/tensor/reference/gated_ops.h"
#include "tests/libs/tensor/kernel_testing.h"
#include "tests/support/matchers.h"

namespace pretrain {
namespace {

using reference::Matrix;
using test::area;
using test::as_double;
using test::Guarded;
using test::normal_values;

/// A grid over the part that bends, and values at which an exponential overflows or a denormal appears.
std::vector<float> gates() {
  std::vector<float> values;
  for (int i = -2000; i <= 2000; ++i) values.push_back(static_cast<float>(i) / 100);
  for (const float x : {0.0F, 50.0F, 86.0F, 88.0F, 100.0F, 1e4F, 1e20F, 1e-20F, 1e-40F}) {
    values.push_back(x);
    values.push_back(-x);
  }
  return values;
}

/// One element after the other: a bound relative to the largest would hide the small ones.
void expect_close(const std::vector<float>& actual, const Matrix& expected, const std::vector<float>& gate,
                  double scale) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    const double x = static_cast<double>(gate[i]);
    // A rounding of x is magnified by the exponential to |x| times as much; beyond 87 the quotient stays
    // where it is.
    const double relative = (8 + 4 * std::min(std::abs(x), 90.0)) * test::kEpsilon;
    const double floor = 2e-38 * std::max(1.0, std::abs(x)) * scale;
    ASSERT_NEAR(static_cast<double>(actual[i]), expected[i], relative * std::abs(expected[i]) + floor)
        << "gate " << gate[i];
  }
}

TEST(Swiglu, ForwardIsExactElementByElement) {
  const std::vector<float> gate = gates(), up = normal_values(gate.size(), 1);
  test::for_each_target([&] {
    Guarded out(gate.size(), 1);
    swiglu_forward_block(1, static_cast<int64_t>(gate.size()), 0, gate.data(), up.data(), out.data());
    expect_close(out.copy(), reference::swiglu(as_double(gate), as_double(up)), gate, 4);
    EXPECT_TRUE(out.intact());
  });
}

TEST(Swiglu, BackwardIsExactElementByElement) {
  const std::vector<float> gate = gates(), up = normal_values(gate.size(), 1),
                           dh = normal_values(gate.size(), 2);
  const reference::SwigluGradient expected =
      reference::swiglu_backward(as_double(dh), as_double(gate), as_double(up));
  test::for_each_target([&] {
    Guarded dgate(gate.size(), 1), dup(gate.size(), 2), again(gate.size(), 3), out(gate.size());
    const auto count = static_cast<int64_t>(gate.size());
    swiglu_backward_block(1, count, 0, gate.data(), up.data(), dh.data(),
                          {.dgate = dgate.data(), .dup = dup.data()}, again.data());
    expect_close(dup.copy(), expected.up, gate, 16);
    for (size_t i = 0; i < gate.size(); ++i) {  // 1 + x (1 - s) cancels near -1.28
      const double bound = 40 * test::kEpsilon * std::abs(static_cast<double>(dh[i] * up[i]));
      ASSERT_NEAR(static_cast<double>(dgate.data()[i]), expected.gate[i], bound) << "gate " << gate[i];
    }
    swiglu_forward_block(1, count, 0, gate.data(), up.data(), out.data());
    EXPECT_TRUE(test::same_bits(again.copy(), out.copy()));
    EXPECT_TRUE(dgate.intact() && dup.intact() && again.intact());
  });
}

TEST(Swiglu, WorksOnBlocksOfAMatrix) {
  const int64_t rows = 3, columns = 19, ld = 24;
  const std::vector<float> gate = normal_values(area(rows, ld), 1), up = normal_values(area(rows, ld), 2),
                           dh = normal_values(area(rows, ld), 3);
  test::for_each_target([&] {
    const std::vector<float> untouched(area(rows, ld), 7.0F);
    std::vector<float> out = untouched, dgate = untouched, dup = untouched;
    swiglu_forward_block(rows, columns, ld, gate.data(), up.data(), out.data());
    swiglu_backward_block(rows, columns, ld, gate.data(), up.data(), dh.data(), {dgate.data(), dup.data()});
    const Matrix expected = reference::swiglu(as_double(gate), as_double(up));
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < ld; ++c) {
        const size_t i = area(1, r * ld + c);
        if (c < columns) {
          EXPECT_NEAR(static_cast<double>(out[i]), expected[i], 1e-5) << r << ", " << c;
          EXPECT_NE(dgate[i], 7.0F);
        } else {
          EXPECT_EQ(out[i], 7.0F);
          EXPECT_EQ(dgate[i], 7.0F);
          EXPECT_EQ(dup[i], 7.0F);
        }
      }
    }
  });
}

TEST(Swiglu, InBf16IsThatOfFloat32Rounded) {
  const std::vector<Bf16> gate = test::rounded(gates());
  const std::vector<Bf16> up = test::rounded(normal_values(gate.size(), 1));
  const std::vector<float> wide_gate = test::widened(gate), wide_up = test::widened(up);
  const auto count = static_cast<int64_t>(gate.size());
  test::for_each_target([&] {
    test::GuardedBf16 out(gate.size(), 1);
    std::vector<float> expected(gate.size());
    swiglu_forward_block(1, count, 0, gate.data(), up.data(), out.data());
    swiglu_forward_block(1, count, 0, wide_gate.data(), wide_up.data(), expected.data());
    EXPECT_EQ(out.copy(), test::rounded(expected));
    EXPECT_TRUE(out.intact());
  });
}

TEST(Swiglu, PassesOnWhatIsNotANumber) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  test::for_each_target([&] {
    for (const auto& [gate, up] : {std::pair{nan, 1.0F}, {1.0F, nan}}) {
      const std::vector<float> gate_row(20, gate), up_row(20, up);
      std::vector<float> out(20);
      swiglu_forward_block(1, 20, 0, gate_row.data(), up_row.data(), out.data());
      for (const float value : out) EXPECT_TRUE(std::isnan(value));
    }
  });
}

}  // namespace
}  // namespace pretrain
