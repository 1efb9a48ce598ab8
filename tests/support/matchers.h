// SPDX-License-Identifier: Apache-2.0
#pragma once
// Comparison of numeric arrays. It rejects zeros for non-zeros, permuted rows, a 1 % scale and NaN: see
// tests/libs/tensor/matchers_test.cpp, which plants each of these faults.

#include <algorithm>
#include <cmath>
#include <span>

#include <gtest/gtest.h>

namespace pretrain::test {

/// Every element within `bound` times the largest magnitude expected anywhere in the array.
/// `bound` comes from the sizes: about the square root of the number of terms of a sum times machine epsilon.
template <typename A, typename E>
testing::AssertionResult all_close(const A& actual, const E& expected, double bound) {
  const auto n = std::size(expected);
  if (std::size(actual) != n) {
    return testing::AssertionFailure() << std::size(actual) << " elements, expected " << n;
  }
  double largest = 0;
  for (size_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
  for (size_t i = 0; i < n; ++i) {
    const auto a = static_cast<double>(actual[i]);
    const auto e = static_cast<double>(expected[i]);
    if (!(std::abs(a - e) <= bound * largest)) {
      return testing::AssertionFailure()
             << "element " << i << " is " << a << ", expected " << e << " within " << bound * largest;
    }
  }
  return testing::AssertionSuccess();
}

}  // namespace pretrain::test
