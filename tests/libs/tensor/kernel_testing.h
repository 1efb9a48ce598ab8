// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the tests of kernels share: arrays that notice a write outside, seeded values, error bounds, and runs
// on every instruction set that this processor and the build have.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include "libs/base/rng.h"
#include "libs/tensor/buffer.h"
#include "libs/tensor/operand.h"
#include "libs/tensor/reference/ops.h"
#include "tests/support/threads.h"

namespace pretrain::test {

/// Distance of 1 to the next float.
constexpr double kEpsilon = 1.1920929e-07;

/// Relative error of a float sum of `terms` random terms: rounding errors add up like a random walk.
inline double sum_bound(int64_t terms) {
  return (4 + std::sqrt(static_cast<double>(terms))) * kEpsilon;
}

/// An array of T, float or Bf16, between guards, `offset` elements away from a cache line. The guards are
/// NaN, so that a kernel that reads them and uses what it read shows too. The array itself starts as NaN:
/// what is not written is noticed.
template <typename T>
class GuardedArray {
 public:
  explicit GuardedArray(size_t count, size_t offset = 0)
      : count_(count), begin_(kGuard + offset), memory_(count + 2 * kGuard + offset) {
    std::fill_n(memory_.data(), memory_.size(), std::bit_cast<T>(kPattern));
  }
  explicit GuardedArray(std::span<const T> values, size_t offset = 0) : GuardedArray(values.size(), offset) {
    std::copy(values.begin(), values.end(), data());
  }

  T* data() { return memory_.data() + begin_; }
  const T* data() const { return memory_.data() + begin_; }
  std::span<T> values() { return {data(), count_}; }
  std::vector<T> copy() const { return {data(), data() + count_}; }

  testing::AssertionResult intact() const {
    for (size_t i = 0; i < memory_.size(); ++i) {
      if (i >= begin_ && i < begin_ + count_) continue;
      if (std::bit_cast<Bits>(memory_[i]) == kPattern) continue;
      return testing::AssertionFailure()
             << "written outside, at " << static_cast<int64_t>(i - begin_) << " of " << count_;
    }
    return testing::AssertionSuccess();
  }

 private:
  using Bits = std::conditional_t<std::is_same_v<T, float>, uint32_t, Bf16>;
  static constexpr size_t kGuard = 32;  // two of the widest vectors
  static constexpr Bits kPattern =
      static_cast<Bits>(std::is_same_v<T, float> ? 0x7FC5A5A5 : 0x7FC5);  // quiet NaN
  size_t count_;
  size_t begin_;
  Buffer<T> memory_;
};

using Guarded = GuardedArray<float>;
using GuardedBf16 = GuardedArray<Bf16>;

inline std::vector<float> normal_values(size_t count, uint64_t seed, double deviation = 1.0) {
  Rng rng(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(deviation * rng.normal());
  return values;
}

inline std::vector<Bf16> rounded(std::span<const float> values) {
  std::vector<Bf16> out(values.size());
  store_values(1, static_cast<int64_t>(values.size()), values.data(), 0, out.data(), 0);
  return out;
}

inline std::vector<float> widened(const std::vector<Bf16>& values) {
  std::vector<float> out(values.size());
  load_values(static_cast<int64_t>(values.size()), values.data(), out.data());
  return out;
}

inline reference::Matrix as_double(std::span<const float> values) {
  return {values.begin(), values.end()};
}

inline size_t area(int64_t rows, int64_t columns) {
  return static_cast<size_t>(rows * columns);
}

/// Equal bit for bit: unlike ==, tells -0 from 0 and finds NaN equal to itself.
inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

/// Gradient of f at x by central differences; exact to about 1e-9 for smooth f of size 1.
template <typename F>
reference::Matrix central_differences(const F& f, reference::Matrix x) {
  constexpr double kStep = 1e-5;
  reference::Matrix gradient(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double value = x[i];
    x[i] = value + kStep;
    const double up = f(x);
    x[i] = value - kStep;
    gradient[i] = (up - f(x)) / (2 * kStep);
    x[i] = value;
  }
  return gradient;
}

inline double dot(const reference::Matrix& a, const reference::Matrix& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// Makes kernels run with these instruction sets at most, until it goes out of scope.
class LimitedTargets {
 public:
  explicit LimitedTargets(int64_t targets) { choose(targets); }
  ~LimitedTargets() { choose(0); }
  LimitedTargets(const LimitedTargets&) = delete;
  LimitedTargets& operator=(const LimitedTargets&) = delete;

 private:
  static void choose(int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);  // 0: all that there are
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

/// Runs `test` once for each instruction set of this processor, the best first. One that the build left out
/// runs as the next lower one. The best one runs again without its tiles, and without its instructions for bf16, if it
/// has them.
template <typename F>
void for_each_target(const F& test) {
  if (Bf16Tiles::are_allowed()) {
    SCOPED_TRACE("without tiles");
    const WithoutBf16Tiles without;
    test();
  }
  if (Bf16Instruction::is_allowed()) {
    SCOPED_TRACE("without the instructions for bf16");
    const WithoutBf16Instruction without;
    test();
  }
  for (int64_t targets = hwy::SupportedTargets(); targets != 0; targets &= targets - 1) {
    SCOPED_TRACE(hwy::TargetName(targets & -targets));
    const LimitedTargets limited(targets);
    test();
  }
}

/// Runs `compute_result(threads)`, which returns a vector of floats, and expects the same bits for 1, 2 and 3
/// threads.
template <typename F>
void expect_same_for_any_threads(const F& compute_result) {
  const MoreThreads more_threads;
  const std::vector<float> expected = compute_result(1);
  for (const int threads : {2, 3}) {
    const std::vector<float> actual = compute_result(threads);
    EXPECT_TRUE(same_bits(actual, expected)) << threads << " threads";
  }
}

}  // namespace pretrain::test
