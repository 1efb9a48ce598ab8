// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/rotary.h"

#include <numeric>

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

constexpr double kTheta = 10'000;
constexpr float kNormEpsilon = 1e-6F;
const std::vector<int64_t> kHeadSizes{2, 6, 8, 14, 16, 26, 32, 64, 96, 128};

/// The angle is a float32, off by up to half a unit of its last place.
double bound(int64_t T, int64_t D) {
  return test::sum_bound(D) + static_cast<double>(T) * test::kEpsilon;
}

TEST(RotaryTable, HoldsTheAnglesOfTheSource) {
  const RotaryTable table(100, 8, kTheta);
  EXPECT_EQ(table.positions(), 100);
  EXPECT_EQ(table.head_size(), 8);
  for (const int64_t t : {0, 1, 7, 99}) {
    for (int64_t j = 0; j < 4; ++j) {
      const double angle = static_cast<double>(t) * std::pow(kTheta, -static_cast<double>(2 * j) / 8);
      EXPECT_NEAR(static_cast<double>(table.cosines(t)[j]), std::cos(angle), 2e-5) << t << ", " << j;
      EXPECT_NEAR(static_cast<double>(table.sines(t)[j]), std::sin(angle), 2e-5) << t << ", " << j;
    }
  }
}

TEST(RotaryTable, RefusesAnOddHead) {
  EXPECT_DEATH(RotaryTable(4, 7, kTheta), "RoPE of 7 channels");
}

struct Case {
  Case(int64_t T, int64_t D, bool norm)
      : table(T, D, kTheta),
        gain(normal_values(area(1, D), 2), 1),
        x(normal_values(area(T, D), 1), 3),
        dy(normal_values(area(T, D), 3), 5),
        turn{.rotary = &table, .gain = norm ? gain.data() : nullptr, .epsilon = kNormEpsilon} {}
  Matrix expected() const {
    const Matrix values = as_double(x.copy());
    const int64_t T = table.positions(), D = table.head_size();
    if (turn.gain == nullptr) return reference::rotate(values, T, D, kTheta);
    return reference::rotate(reference::rms_norm(values, as_double(gain.copy()), 1e-6, T, D), T, D, kTheta);
  }
  reference::RmsNormGradients gradients() const {
    const int64_t T = table.positions(), D = table.head_size();
    const Matrix dn = reference::rotate_back(as_double(dy.copy()), T, D, kTheta);
    if (turn.gain == nullptr) return {.x = dn, .gain = {}};
    return reference::rms_norm_backward(dn, as_double(x.copy()), as_double(gain.copy()), 1e-6, T, D);
  }

  RotaryTable table;
  Guarded gain, x, dy;
  HeadTurn turn;
};

template <typename F>
void for_each_case(const F& check) {
  test::for_each_target([&] {
    for (const int64_t D : kHeadSizes) {
      for (const bool norm : {false, true}) {
        SCOPED_TRACE(testing::Message() << "D " << D << (norm ? ", normed" : ""));
        check(Case(33, D, norm), D);
      }
    }
  });
}

TEST(TurnRows, AgreesWithTheReference) {
  for_each_case([](const Case& c, int64_t D) {
    Guarded y(area(33, D), 1);
    turn_rows(c.turn, 0, 33, c.x.data(), D, y.data(), D);
    EXPECT_TRUE(all_close(y.copy(), c.expected(), bound(33, D)));
    EXPECT_TRUE(y.intact());
  });
}

TEST(TurnRows, BackwardAgreesWithTheReference) {
  for_each_case([](const Case& c, int64_t D) {
    Guarded dx(area(33, D), 1);
    Guarded dgain(std::vector<float>(area(1, D)), 2);
    turn_rows_backward(c.turn, 0, 33, c.x.data(), D, c.dy.data(), D, dx.data(), D, dgain.data());
    const auto expected = c.gradients();
    // A head of two channels may be small, and its rstd large.
    EXPECT_TRUE(all_close(dx.copy(), expected.x, 50 * bound(33, D)));
    if (c.turn.gain != nullptr) {
      EXPECT_TRUE(all_close(dgain.copy(), expected.gain, 50 * bound(33, D)));
    }
    EXPECT_TRUE(dx.intact() && dgain.intact());
  });
}

TEST(TurnRows, ReadsBf16AsItsValues) {
  for_each_case([](const Case& c, int64_t D) {
    const std::vector<Bf16> x = test::rounded(c.x.copy());
    const std::vector<float> wide = test::widened(x);
    std::vector<float> y(area(33, D)), expected(y.size());
    turn_rows(c.turn, 0, 33, x.data(), D, y.data(), D);
    turn_rows(c.turn, 0, 33, wide.data(), D, expected.data(), D);
    EXPECT_TRUE(test::same_bits(y, expected));
  });
}

/// As generation does: one position after the other.
TEST(TurnRows, ARowAtItsPositionIsTheSameAlone) {
  const Case c(50, 24, true);
  std::vector<float> all(area(50, 24)), one(24);
  turn_rows(c.turn, 0, 50, c.x.data(), 24, all.data(), 24);
  for (const int64_t t : {0, 1, 49}) {
    turn_rows(c.turn, t, 1, c.x.data() + t * 24, 24, one.data(), 24);
    EXPECT_TRUE(test::same_bits(one, std::span(all).subspan(area(t, 24), 24))) << t;
  }
}

TEST(TurnRows, WorksInPlaceAndBetweenRowsFurtherApart) {
  const Case c(9, 16, true);
  std::vector<float> expected(area(9, 16));
  turn_rows(c.turn, 0, 9, c.x.data(), 16, expected.data(), 16);
  std::vector<float> wide(area(9, 40), 7.0F);
  for (int64_t t = 0; t < 9; ++t) std::copy_n(c.x.data() + t * 16, 16, wide.data() + t * 40);
  turn_rows(c.turn, 0, 9, wide.data(), 40, wide.data(), 40);
  for (int64_t t = 0; t < 9; ++t) {
    EXPECT_TRUE(test::same_bits({wide.data() + t * 40, 16}, {expected.data() + t * 16, 16})) << t;
    for (int64_t i = 16; i < 40; ++i) EXPECT_EQ(wide[area(1, t * 40 + i)], 7.0F);
  }
}

/// The score of a query and a key depends on their distance alone.
TEST(TurnRows, ScoresDependOnDistanceAlone) {
  const int64_t D = 64, T = 200;
  const RotaryTable table(T, D, kTheta);
  const HeadTurn turn{.rotary = &table};
  const std::vector<float> q = normal_values(area(1, D), 1), k = normal_values(area(1, D), 2);
  const auto score = [&](int64_t at_q, int64_t at_k) {
    std::vector<float> a(q.size()), b(k.size());
    turn_rows(turn, at_q, 1, q.data(), D, a.data(), D);
    turn_rows(turn, at_k, 1, k.data(), D, b.data(), D);
    return test::dot(as_double(a), as_double(b));
  };
  for (const int64_t distance : {0, 1, 17, 100}) {
    for (const int64_t at : {0, 3, 99}) EXPECT_NEAR(score(at + distance, at), score(distance, 0), 2e-3);
  }
}

TEST(TurnRows, RefusesPositionsBeyondTheTable) {
  const Case c(4, 8, false);
  std::vector<float> y(8);
  EXPECT_DEATH(turn_rows(c.turn, 4, 1, c.x.data(), 8, y.data(), 8), "positions 4 to 5 of 4");
}

}  // namespace
}  // namespace pretrain
