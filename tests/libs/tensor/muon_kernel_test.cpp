// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/muon_kernel.h"

#include <gtest/gtest.h>

#include "tests/libs/tensor/kernel_testing.h"
#include "tests/support/matchers.h"

namespace pretrain {
namespace {

using test::all_close;
using test::Guarded;
using test::normal_values;

constexpr int64_t kColumnCounts[] = {1, 3, 4, 5, 8, 15, 16, 17, 33, 70};
constexpr int64_t kRows = 3;

/// Values of a matrix in which the block's rows are a part; what is between them must stay.
struct Strided {
  Strided(const MuonRows& rows, uint64_t seed)
      : block(rows),
        before(normal_values(static_cast<size_t>(rows.rows * rows.ld), seed)),
        array(before, 1) {}

  bool is_in_block(size_t i) const { return static_cast<int64_t>(i) % block.ld < block.columns; }
  void expect_untouched_between() const {
    for (size_t i = 0; i < before.size(); ++i) {
      if (!is_in_block(i)) {
        ASSERT_EQ(array.data()[i], before[i]) << i;
      }
    }
    EXPECT_TRUE(array.intact());
  }

  MuonRows block;
  std::vector<float> before;
  Guarded array;
};

TEST(MuonKernel, MixesMomentumAndGradientByTheFormula) {
  test::for_each_target([] {
    for (const int64_t columns : kColumnCounts) {
      const MuonRows block{kRows, columns, columns + 3};
      const Strided gradient(block, 1);
      Strided m(block, 2);
      Guarded mixed(static_cast<size_t>(kRows * columns), 3);
      muon_mix(block, 0.9F, 0.5F, gradient.array.data(), m.array.data(), mixed.data());
      std::vector<double> expected_m, expected_mixed, actual_m;
      for (size_t i = 0; i < m.before.size(); ++i) {
        if (!m.is_in_block(i)) continue;
        const double g = 0.5 * static_cast<double>(gradient.before[i]);
        expected_m.push_back(0.9 * static_cast<double>(m.before[i]) + 0.1 * g);
        expected_mixed.push_back(0.9 * expected_m.back() + 0.1 * g);
        actual_m.push_back(static_cast<double>(m.array.data()[i]));
      }
      EXPECT_TRUE(all_close(actual_m, expected_m, 4 * test::kEpsilon)) << columns;
      EXPECT_TRUE(all_close(mixed.copy(), expected_mixed, 4 * test::kEpsilon)) << columns;
      EXPECT_TRUE(mixed.intact());
      m.expect_untouched_between();
    }
  });
}

TEST(MuonKernel, SumsAndScalesNeuronsByTheFormula) {
  test::for_each_target([] {
    for (const int64_t columns : kColumnCounts) {
      for (const NeuronAxis axis : {NeuronAxis::kRows, NeuronAxis::kColumns}) {
        const MuonRows block{kRows, columns, columns + 3};
        const auto neurons = static_cast<size_t>(axis == NeuronAxis::kRows ? kRows : columns);
        Strided direction(block, 1);
        Guarded sums(neurons, 2);
        const Guarded factors(normal_values(neurons, 3), 4);
        muon_neuron_squares(block, axis, direction.array.data(), sums.data());
        muon_scale_neurons(block, axis, factors.data(), direction.array.data());
        std::vector<double> expected_sums(neurons), expected, actual;
        for (size_t i = 0; i < direction.before.size(); ++i) {
          if (!direction.is_in_block(i)) continue;
          const size_t width = static_cast<size_t>(block.ld);
          const size_t neuron = axis == NeuronAxis::kRows ? i / width : i % width;
          const auto value = static_cast<double>(direction.before[i]);
          expected_sums[neuron] += value * value;
          expected.push_back(value * static_cast<double>(factors.data()[neuron]));
          actual.push_back(static_cast<double>(direction.array.data()[i]));
        }
        EXPECT_TRUE(all_close(sums.copy(), expected_sums, 16 * test::kEpsilon)) << columns;
        EXPECT_TRUE(all_close(actual, expected, 4 * test::kEpsilon)) << columns;
        EXPECT_TRUE(sums.intact());
        direction.expect_untouched_between();
      }
    }
  });
}

void check_change(bool cautious) {
  test::for_each_target([&] {
    for (const int64_t columns : kColumnCounts) {
      const MuonRows block{kRows, columns, columns + 2};
      const Guarded direction(normal_values(static_cast<size_t>(kRows * columns), 1), 2);
      Strided p(block, 2);
      muon_apply(block, {.rate = 0.25F, .decay = 0.125F, .cautious_decay = cautious}, direction.data(),
                 p.array.data());
      std::vector<double> expected, actual;
      for (size_t i = 0; i < p.before.size(); ++i) {
        if (!p.is_in_block(i)) continue;
        const auto d = static_cast<double>(direction.data()[expected.size()]);
        const auto before = static_cast<double>(p.before[i]);
        const bool is_decayed = !cautious || d * before >= 0;
        expected.push_back(before * (is_decayed ? 1 - 0.125 : 1) - 0.25 * d);
        actual.push_back(static_cast<double>(p.array.data()[i]));
      }
      EXPECT_TRUE(all_close(actual, expected, 4 * test::kEpsilon)) << columns;
      p.expect_untouched_between();
    }
  });
}

TEST(MuonKernel, AppliesRateAndDecayByTheFormula) {
  check_change(false);
}

TEST(MuonKernel, ACautiousDecayIsOfElementsThatMoveTowardsZero) {
  check_change(true);
}

}  // namespace
}  // namespace pretrain
