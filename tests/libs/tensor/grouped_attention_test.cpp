// SPDX-License-Identifier: Apache-2.0
// Attention of current architectures: fewer key-value heads, RoPE, norms of queries and keys.

#include <gtest/gtest.h>

#include "libs/tensor/attention.h"
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
using Shape = CausalAttention::Shape;

constexpr double kTheta = 10'000;
constexpr float kNormEpsilon = 1e-6F;

enum class Turn { kNone, kRotary, kNormAndRotary };

/// Around the 48 rows of a block of queries, groups of one to six heads, head sizes that are no multiple of a
/// vector.
const std::vector<Shape> kShapes{{1, 1, 2, 8, 1},    {2, 9, 4, 8, 2},    {1, 47, 6, 16, 2},
                                 {1, 48, 2, 14, 1},  {1, 49, 6, 10, 1},  {2, 65, 4, 32, 2},
                                 {1, 100, 2, 64, 2}, {1, 130, 3, 96, 1}, {3, 17, 2, 6, 2},
                                 {1, 97, 2, 128, 1}, {5, 20, 12, 8, 4}};

/// Everything that attention gives for one input.
struct Result {
  Result(int threads, Shape s, Turn turn, std::span<const float> values,
         Precision precision = Precision::kFloat32)
      : shape(with_room(s, turn)),
        table(s.T, s.D, kTheta),
        q_gain(normal_values(area(1, s.D), 11), 1),
        k_gain(normal_values(area(1, s.D), 12), 2),
        qkv(values, 3),
        dout(normal_values(area(s.B * s.T, s.H * s.D), 2), 1),
        out(area(s.B * s.T, s.H * s.D), 3),
        log_sum_exp(area(s.B * s.H, s.T), 1),
        dqkv(values.size(), 1),
        dq_gain(area(1, s.D), 1),
        dk_gain(area(1, s.D), 3) {
    Compute compute(threads);
    CausalAttention attention(compute, shape, precision);
    AttentionTurn with;
    AttentionGainGradients gains;
    if (turn != Turn::kNone) with.rotary = &table;
    if (turn == Turn::kNormAndRotary) {
      with = {.rotary = &table, .q_gain = q_gain.data(), .k_gain = k_gain.data(), .epsilon = kNormEpsilon};
      gains = {.q = dq_gain.data(), .k = dk_gain.data()};
    }
    attention.forward(qkv.data(), out.data(), log_sum_exp.data(), with);
    attention.backward(qkv.data(), out.data(), dout.data(), log_sum_exp.data(), dqkv.data(), with, gains);
  }
  static Shape with_room(Shape s, Turn turn) {
    s.turned = turn != Turn::kNone;
    return s;
  }
  bool intact() const {
    return out.intact() && log_sum_exp.intact() && dqkv.intact() && dq_gain.intact() && dk_gain.intact();
  }
  /// All gradients and the output, one after the other.
  std::vector<float> all() const {
    std::vector<float> values = out.copy();
    for (const std::vector<float>& more : {dqkv.copy(), dq_gain.copy(), dk_gain.copy()})
      values.insert(values.end(), more.begin(), more.end());
    return values;
  }

  Shape shape;
  RotaryTable table;
  Guarded q_gain, k_gain, qkv, dout, out, log_sum_exp, dqkv, dq_gain, dk_gain;
};

reference::GroupedAttention described(const Result& r, Turn turn) {
  const Shape& s = r.shape;
  reference::GroupedAttention a{.B = s.B, .T = s.T, .H = s.H, .K = s.kv_heads(), .D = s.D};
  if (turn != Turn::kNone) a.theta = kTheta;
  if (turn == Turn::kNormAndRotary) {
    a.q_gain = as_double(r.q_gain.copy());
    a.k_gain = as_double(r.k_gain.copy());
    a.epsilon = static_cast<double>(kNormEpsilon);
  }
  return a;
}

void check_against_reference(const Shape& s, Turn turn, double bound, Precision precision) {
  SCOPED_TRACE(testing::Message() << precision_name(precision) << ", B " << s.B << ", T " << s.T << ", H "
                                  << s.H << ", K " << s.kv_heads() << ", D " << s.D << ", turn "
                                  << static_cast<int>(turn));
  const std::vector<float> qkv = normal_values(area(s.B * s.T, s.width()), 1);
  const Result result(2, s, turn, qkv, precision);
  const reference::GroupedAttention a = described(result, turn);
  EXPECT_TRUE(all_close(result.out.copy(), reference::grouped_attention(as_double(qkv), a), bound));
  const auto expected =
      reference::grouped_attention_backward(as_double(result.dout.copy()), as_double(qkv), a);
  EXPECT_TRUE(all_close(result.dqkv.copy(), expected.qkv, bound));
  if (turn == Turn::kNormAndRotary && s.T > 1) {  // one position alone has no gradient of its score
    EXPECT_TRUE(all_close(result.dq_gain.copy(), expected.q_gain, bound));
    EXPECT_TRUE(all_close(result.dk_gain.copy(), expected.k_gain, bound));
  }
  EXPECT_TRUE(result.intact());
}

/// Sums over D, T and the heads of a group, of scores that a norm's gain of up to 3 makes larger.
double bound(const Shape& s) {
  return 32 * (test::sum_bound(s.D) + test::sum_bound(s.T * s.H)) + static_cast<double>(s.T) * test::kEpsilon;
}

TEST(GroupedAttention, AgreesWithTheReference) {
  test::for_each_target([] {
    for (const Shape& s : kShapes) {
      for (const Turn turn : {Turn::kNone, Turn::kRotary, Turn::kNormAndRotary})
        check_against_reference(s, turn, bound(s), Precision::kFloat32);
    }
  });
}

TEST(GroupedAttention, AgreesWithTheReferenceInBf16) {
  test::for_each_target([] {
    for (const Shape& s : kShapes) {
      for (const Turn turn : {Turn::kNone, Turn::kRotary, Turn::kNormAndRotary})
        check_against_reference(s, turn, 16.0 / 256, Precision::kBf16);
    }
  });
}

TEST(GroupedAttention, AgreesWithTheReferenceInALongContext) {
  const Shape s{1, 700, 2, 8, 1};
  check_against_reference(s, Turn::kNormAndRotary, bound(s), Precision::kFloat32);
}

/// A model of today keeps its bits: shared heads are a way to read, not another sum.
TEST(GroupedAttention, WithAHeadEachHasTheBitsOfTheOldShape) {
  const Shape s{2, 70, 3, 16};
  Shape named = s;
  named.K = 3;
  const std::vector<float> qkv = normal_values(area(s.B * s.T, s.width()), 1);
  EXPECT_TRUE(test::same_bits(Result(2, s, Turn::kNone, qkv).dqkv.copy(),
                              Result(2, named, Turn::kNone, qkv).dqkv.copy()));
}

TEST(GroupedAttention, DoesNotDependOnTheNumberOfThreads) {
  const Shape s{4, 100, 6, 16, 2};
  const std::vector<float> qkv = normal_values(area(s.B * s.T, s.width()), 1);
  test::expect_same_for_any_threads(
      [&](int threads) { return Result(threads, s, Turn::kNormAndRotary, qkv).all(); });
}

TEST(GroupedAttention, TheFutureNeverInfluencesThePast) {
  const Shape s{1, 100, 4, 20, 2};
  const std::vector<float> qkv = normal_values(area(s.T, s.width()), 1);
  const Result before(2, s, Turn::kNormAndRotary, qkv);
  for (const int64_t changed : {1L, 47L, 48L, 99L}) {
    std::vector<float> other = qkv;
    for (int64_t c = 0; c < s.width(); ++c) other[area(1, changed * s.width() + c)] *= -3;
    const Result after(2, s, Turn::kNormAndRotary, other);
    const auto past = area(changed, s.H * s.D);
    EXPECT_TRUE(test::same_bits({after.out.data(), past}, {before.out.data(), past})) << changed;
  }
}

TEST(GroupedAttention, AddsToTheGradientsOfItsGainsWhenAsked) {
  const Shape s = Result::with_room({2, 20, 4, 8, 2}, Turn::kNormAndRotary);
  const std::vector<float> qkv = normal_values(area(s.B * s.T, s.width()), 1);
  Result r(1, s, Turn::kNormAndRotary, qkv);
  const std::vector<float> once = r.dq_gain.copy();
  Compute compute(1);
  CausalAttention attention(compute, s, Precision::kFloat32);
  attention.backward(
      r.qkv.data(), r.out.data(), r.dout.data(), r.log_sum_exp.data(), r.dqkv.data(),
      {.rotary = &r.table, .q_gain = r.q_gain.data(), .k_gain = r.k_gain.data(), .epsilon = kNormEpsilon},
      {.q = r.dq_gain.data(), .k = r.dk_gain.data(), .store = Store::kAccumulate});
  for (size_t i = 0; i < once.size(); ++i)
    EXPECT_NEAR(r.dq_gain.data()[i], 2 * once[i], 1e-4F * std::abs(once[i]));
}

TEST(GroupedAttention, RefusesHeadsThatCannotShare) {
  Compute compute(1);
  EXPECT_DEATH(CausalAttention(compute, {1, 4, 3, 8, 2}, Precision::kFloat32), "3 query heads share 2");
}

}  // namespace
}  // namespace pretrain
