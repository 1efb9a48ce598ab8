// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/loss.h"

#include <limits>
#include <numeric>

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

constexpr float kScale = 0.25F;

struct Case {
  Case(int64_t row_count, int64_t vocabulary, double deviation = 2.0)
      : rows(row_count), V(vocabulary), logits(test::normal_values(area(rows, V), 1, deviation)) {
    Rng rng(2);
    for (int64_t m = 0; m < rows; ++m) {
      const auto target = static_cast<int32_t>(rng.below(static_cast<uint64_t>(V)));
      targets.push_back(m % 5 == 3 ? kMaskedTarget : m % 5 == 2 ? static_cast<int32_t>(V - 1) : target);
    }
  }
  Matrix expected_gradient() const {
    Matrix gradient = reference::cross_entropy_backward(as_double(logits), targets, V);
    for (double& value : gradient) value *= static_cast<double>(kScale);
    return gradient;
  }

  int64_t rows, V;
  std::vector<float> logits;
  std::vector<int32_t> targets;
};

const std::vector<int64_t> kVocabularies{1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 71, 1000};
const std::vector<int64_t> kRows{1, 7, 8, 9, 17};

/// check(c) on each instruction set, for cases of all sizes.
template <typename F>
void for_each_case(const F& check) {
  test::for_each_target([&] {
    for (const int64_t V : kVocabularies) {
      for (const int64_t rows : kRows) {
        SCOPED_TRACE(testing::Message() << rows << " x " << V);
        check(Case(rows, V));
      }
    }
  });
}

TEST(CrossEntropy, LossAndGradientAgreeWithTheReference) {
  Compute compute(2);
  for_each_case([&](const Case& c) {
    Guarded logits(c.logits, 3);
    Guarded losses(area(1, c.rows), 1);
    softmax_cross_entropy(compute,
                          {.logits = logits.data(), .targets = c.targets.data(), .rows = c.rows, .V = c.V},
                          kScale, losses.data());
    EXPECT_TRUE(all_close(losses.copy(), reference::cross_entropy(as_double(c.logits), c.targets, c.V),
                          test::sum_bound(c.V)));
    EXPECT_TRUE(all_close(logits.copy(), c.expected_gradient(), 4 * test::sum_bound(c.V)));
    EXPECT_TRUE(logits.intact());
    EXPECT_TRUE(losses.intact());
  });
}

TEST(CrossEntropy, AgreesWithTheReferenceForALargeVocabularyAndManyRows) {
  Compute compute(2);
  for (const auto& [rows, V] : {std::pair<int64_t, int64_t>{3, 70'001}, {600, 130}}) {
    const Case c(rows, V);
    Guarded logits(c.logits, 3);
    Guarded losses(area(1, c.rows), 1);
    softmax_cross_entropy(compute,
                          {.logits = logits.data(), .targets = c.targets.data(), .rows = c.rows, .V = c.V},
                          kScale, losses.data());
    EXPECT_TRUE(all_close(losses.copy(), reference::cross_entropy(as_double(c.logits), c.targets, c.V),
                          test::sum_bound(c.V)));
    // Each by itself: one of so many is small compared with the target's.
    const Matrix expected = c.expected_gradient();
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(static_cast<double>(logits.data()[i]), expected[i],
                  8 * test::sum_bound(c.V) * std::abs(expected[i]))
          << i;
    }
  }
}

TEST(CrossEntropy, RoundsTheGradientInItsPlace) {
  Compute compute(2);
  for_each_case([&](const Case& c) {
    std::vector<float> exact = c.logits, exact_losses(area(1, c.rows)), losses(exact_losses);
    Guarded logits(c.logits, 3);
    softmax_cross_entropy(compute,
                          {.logits = exact.data(), .targets = c.targets.data(), .rows = c.rows, .V = c.V},
                          kScale, exact_losses.data());
    softmax_cross_entropy(compute,
                          {.logits = logits.data(), .targets = c.targets.data(), .rows = c.rows, .V = c.V},
                          kScale, losses.data(), Precision::kBf16);
    EXPECT_TRUE(test::same_bits(losses, exact_losses));
    EXPECT_TRUE(logits.intact());
    const auto [gradient, ld] = gradient_of_logits(logits.data(), c.V, Precision::kBf16);
    const std::vector<Bf16> expected = test::rounded(exact);
    for (int64_t m = 0; m < c.rows; ++m) {
      for (int64_t v = 0; v < c.V; ++v)
        ASSERT_EQ(gradient.bf16()[m * ld + v], expected[area(m, c.V) + area(1, v)]) << m << ", " << v;
    }
  });
}

TEST(CrossEntropy, WithoutAGradientLeavesTheLogits) {
  Compute compute(2);
  const Case c(9, 71);
  Guarded logits(c.logits, 1);
  std::vector<float> losses(9), losses_with_gradient(9);
  softmax_cross_entropy(compute, {.logits = logits.data(), .targets = c.targets.data(), .rows = 9, .V = 71},
                        0, losses.data());
  EXPECT_TRUE(test::same_bits(logits.copy(), c.logits));
  softmax_cross_entropy(compute, {.logits = logits.data(), .targets = c.targets.data(), .rows = 9, .V = 71},
                        kScale, losses_with_gradient.data());
  EXPECT_TRUE(test::same_bits(losses, losses_with_gradient));
}

TEST(CrossEntropy, MaskedRowsHaveNoLossAndNoGradient) {
  Compute compute(1);
  Case c(8, 33);
  std::fill(c.targets.begin(), c.targets.end(), kMaskedTarget);
  std::vector<float> losses(8, 1.0F);
  softmax_cross_entropy(compute, {.logits = c.logits.data(), .targets = c.targets.data(), .rows = 8, .V = 33},
                        kScale, losses.data());
  EXPECT_EQ(losses, std::vector<float>(8));
  EXPECT_EQ(c.logits, std::vector<float>(c.logits.size()));
}

TEST(CrossEntropy, ANanAnywhereInARowMakesItsLossAndGradientNan) {
  Compute compute(1);
  test::for_each_target([&] {
    for (int64_t at = 0; at < 37; ++at) {
      Case c(1, 37);
      c.targets[0] = 5;
      c.logits[static_cast<size_t>(at)] = std::numeric_limits<float>::quiet_NaN();
      float loss = 0;
      softmax_cross_entropy(
          compute, {.logits = c.logits.data(), .targets = c.targets.data(), .rows = 1, .V = 37}, 1.0F, &loss);
      EXPECT_TRUE(std::isnan(loss)) << at;
      EXPECT_TRUE(std::isnan(c.logits[0])) << at;
    }
  });
}

TEST(CrossEntropy, TheGradientOfARowSumsToZero) {
  Compute compute(1);
  Case c(7, 1000);
  std::vector<float> losses(7);
  softmax_cross_entropy(compute,
                        {.logits = c.logits.data(), .targets = c.targets.data(), .rows = 7, .V = 1000}, 1.0F,
                        losses.data());
  for (int64_t m = 0; m < 7; ++m) {
    const auto row = c.logits.begin() + m * 1000;
    EXPECT_NEAR(std::accumulate(row, row + 1000, 0.0), 0, test::sum_bound(1000)) << m;
  }
}

TEST(CrossEntropy, LargeLogitsNeitherOverflowNorLoseTheDifference) {
  Compute compute(1);
  test::for_each_target([&] {
    for (const float base : {1e4F, -1e4F, 1e30F, -1e30F}) {
      std::vector<float> logits(19, base);
      const int32_t target = 18;
      float loss = 0;
      softmax_cross_entropy(compute, {.logits = logits.data(), .targets = &target, .rows = 1, .V = 19}, 1.0F,
                            &loss);
      // log(sum) is added to the maximum, so only what a float of that size can hold is left of it.
      EXPECT_NEAR(static_cast<double>(loss), std::log(19.0),
                  std::abs(static_cast<double>(base)) * test::kEpsilon);
      for (size_t v = 0; v < 18; ++v) EXPECT_NEAR(logits[v], 1.0F / 19, 1e-7F);
    }
  });
}

TEST(CrossEntropy, AFarAwayTargetHasAFiniteLossAndGradient) {
  Compute compute(1);
  std::vector<float> logits(33, -1e30F);
  logits[5] = 1e30F;
  const int32_t target = 0;
  float loss = 0;
  softmax_cross_entropy(compute, {.logits = logits.data(), .targets = &target, .rows = 1, .V = 33}, 1.0F,
                        &loss);
  EXPECT_EQ(loss, 2e30F);
  EXPECT_EQ(logits[0], -1.0F);
  EXPECT_EQ(logits[5], 1.0F);
  EXPECT_EQ(logits[32], 0.0F);
}

TEST(CrossEntropy, ANanRowHasANanLoss) {
  Compute compute(1);
  test::for_each_target([&] {
    std::vector<float> logits(33, std::numeric_limits<float>::quiet_NaN());
    const int32_t target = 7;
    float loss = 0;
    softmax_cross_entropy(compute, {.logits = logits.data(), .targets = &target, .rows = 1, .V = 33}, 1.0F,
                          &loss);
    EXPECT_TRUE(std::isnan(loss));
  });
}

TEST(CrossEntropy, DoesNotDependOnTheNumberOfThreads) {
  const Case c(100, 71);
  test::expect_same_for_any_threads([&](int threads) {
    Compute compute(threads);
    std::vector<float> result = c.logits;
    std::vector<float> losses(100);
    softmax_cross_entropy(compute,
                          {.logits = result.data(), .targets = c.targets.data(), .rows = 100, .V = 71},
                          kScale, losses.data());
    result.insert(result.end(), losses.begin(), losses.end());
    return result;
  });
}

}  // namespace
}  // namespace pretrain
