// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/attention.h"

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
using test::normal_values;

using Shape = CausalAttention::Shape;

/// Around the 48 rows of a block of queries, and head sizes that are no multiple of a vector.
const std::vector<Shape> kShapes{{1, 1, 1, 8},    {2, 9, 3, 8},   {1, 47, 2, 16}, {1, 48, 2, 16},
                                 {1, 63, 2, 16},  {1, 64, 1, 24}, {2, 65, 2, 40}, {1, 100, 1, 64},
                                 {1, 130, 2, 96}, {3, 17, 2, 13}, {1, 129, 1, 33}};

int64_t channels(const Shape& s) {
  return s.H * s.D;
}

std::vector<float> random_qkv(const Shape& s, double deviation = 1.0) {
  return normal_values(area(s.B * s.T, 3 * channels(s)), 1, deviation);
}

/// Scores are sums of D products, outputs and gradients sums of up to T terms.
double bound(const Shape& s) {
  return 4 * (test::sum_bound(s.D) + test::sum_bound(s.T));
}

/// Everything that attention gives for one input.
struct Result {
  Result(int threads, const Shape& s, std::span<const float> values, size_t offset = 0,
         Precision precision = Precision::kFloat32)
      : qkv(values, offset),
        dout(normal_values(area(s.B * s.T, channels(s)), 2), 1),
        out(area(s.B * s.T, channels(s)), 3),
        log_sum_exp(area(s.B * s.H, s.T), 1),
        dqkv(values.size(), offset + 1) {
    Compute compute(threads);
    CausalAttention attention(compute, s, precision);
    attention.forward(qkv.data(), out.data(), log_sum_exp.data());
    attention.backward(qkv.data(), out.data(), dout.data(), log_sum_exp.data(), dqkv.data());
  }
  bool intact() const { return out.intact() && log_sum_exp.intact() && dqkv.intact(); }

  Guarded qkv, dout, out, log_sum_exp, dqkv;
};

void check_against_reference(const Shape& s, double deviation, double error_bound,
                             Precision precision = Precision::kFloat32) {
  SCOPED_TRACE(testing::Message() << precision_name(precision) << ", B " << s.B << ", T " << s.T << ", H "
                                  << s.H << ", D " << s.D);
  const std::vector<float> qkv = random_qkv(s, deviation);
  const Result result(2, s, qkv, 3, precision);
  EXPECT_TRUE(all_close(result.out.copy(), reference::causal_attention(as_double(qkv), s.B, s.T, s.H, s.D),
                        error_bound));
  EXPECT_TRUE(all_close(
      result.dqkv.copy(),
      reference::causal_attention_backward(as_double(result.dout.copy()), as_double(qkv), s.B, s.T, s.H, s.D),
      error_bound));
  EXPECT_TRUE(result.intact());
}

TEST(CausalAttention, ForwardAndBackwardAgreeWithTheReference) {
  test::for_each_target([] {
    for (const Shape& s : kShapes) check_against_reference(s, 1.0, bound(s));
  });
}

/// Operands are off by up to 1/256 each, at random: all outputs stay within a few of these of the exact ones.
TEST(CausalAttention, AgreesWithTheReferenceInBf16) {
  test::for_each_target([] {
    for (const Shape& s : kShapes) check_against_reference(s, 1.0, 4.0 / 256, Precision::kBf16);
  });
}

TEST(CausalAttention, AgreesWithTheReferenceInALongContext) {
  for (const Shape& s : {Shape{1, 960, 1, 8}, Shape{1, 961, 1, 16}, Shape{1, 1100, 2, 8}}) {
    check_against_reference(s, 1.0, bound(s));
    check_against_reference(s, 1.0, 4.0 / 256, Precision::kBf16);
  }
}

TEST(CausalAttention, AgreesWithTheReferenceForManyHeadsAndSequences) {
  const Shape s{9, 20, 11, 8};
  check_against_reference(s, 1.0, bound(s));
}

/// The operands are rounded on the way otherwise; the output is, too, which shifts the backward pass a
/// little.
TEST(CausalAttention, WorksOnWhatIsStoredInBf16) {
  test::for_each_target([] {
    for (const Shape& s : kShapes) {
      SCOPED_TRACE(testing::Message() << "B " << s.B << ", T " << s.T << ", H " << s.H << ", D " << s.D);
      const std::vector<float> values = random_qkv(s);
      const Result expected(2, s, values, 0, Precision::kBf16);
      const test::GuardedBf16 qkv(test::rounded(values), 3);
      test::GuardedBf16 out(expected.out.copy().size(), 1);
      Guarded log_sum_exp(area(s.B * s.H, s.T), 1);
      Guarded dqkv(values.size(), 1);
      Compute compute(2);
      CausalAttention attention(compute, s, Precision::kBf16);
      attention.forward(qkv.data(), out.data(), log_sum_exp.data());
      EXPECT_EQ(out.copy(), test::rounded(expected.out.copy()));
      EXPECT_TRUE(test::same_bits(log_sum_exp.copy(), expected.log_sum_exp.copy()));
      attention.backward(qkv.data(), out.data(), expected.dout.data(), log_sum_exp.data(), dqkv.data());
      EXPECT_TRUE(all_close(dqkv.copy(), as_double(expected.dqkv.copy()), 1.0 / 256));
      EXPECT_TRUE(dqkv.intact() && log_sum_exp.intact() && out.intact());
    }
  });
}

TEST(CausalAttention, GivesBf16OnlyWhenItMultipliesThat) {
  const Shape s{1, 4, 1, 8};
  Compute compute(1);
  CausalAttention attention(compute, s, Precision::kFloat32);
  const std::vector<float> qkv = random_qkv(s);
  std::vector<Bf16> out(area(4, 8));
  std::vector<float> log_sum_exp(4);
  EXPECT_DEATH(attention.forward(qkv.data(), out.data(), log_sum_exp.data()), "float32 gives float32");
}

TEST(CausalAttention, StaysExactWhenOneKeyTakesAll) {
  // Scores of some hundreds: an epsilon of the score is that much more in the probability.
  const Shape s{1, 70, 2, 16};
  check_against_reference(s, 10.0, 500 * bound(s));
}

/// As the forward pass leaves it when a score is not finite: probabilities of zero would hide that.
TEST(CausalAttention, AnInfiniteLogSumExpMakesTheGradientsNan) {
  const Shape s{1, 20, 1, 8};
  const std::vector<float> qkv = random_qkv(s);
  Result result(1, s, qkv);
  Compute compute(1);
  CausalAttention attention(compute, s, Precision::kFloat32);
  for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    std::vector<float> log_sum_exp = result.log_sum_exp.copy();
    log_sum_exp[7] = bad;
    std::vector<float> dqkv(qkv.size());
    attention.backward(result.qkv.data(), result.out.data(), result.dout.data(), log_sum_exp.data(),
                       dqkv.data());
    EXPECT_TRUE(std::isnan(dqkv[area(7, 3 * channels(s))])) << bad;  // of the query at that position
  }
}

TEST(CausalAttention, OnePositionReturnsItsValue) {
  const Shape s{.B = 1, .T = 1, .H = 2, .D = 12};
  const std::vector<float> qkv = random_qkv(s);
  const Result result(1, s, qkv);
  EXPECT_EQ(result.out.copy(), std::vector<float>(qkv.begin() + 48, qkv.end()));
}

TEST(CausalAttention, LogSumExpIsThatOfTheScaledScores) {
  const Shape s{.B = 2, .T = 67, .H = 2, .D = 9};
  const int64_t C = channels(s);
  const std::vector<float> qkv = random_qkv(s);
  const Result result(2, s, qkv);
  const auto at = [&](int64_t row, int64_t column) {
    return static_cast<double>(qkv[area(1, row * 3 * C + column)]);
  };
  Matrix expected;
  for (int64_t index = 0; index < s.B * s.H * s.T; ++index) {
    const int64_t t = index % s.T;
    const int64_t h = index / s.T % s.H;
    const int64_t first = index / (s.T * s.H) * s.T;
    double sum = 0;
    for (int64_t j = 0; j <= t; ++j) {
      double score = 0;
      for (int64_t d = 0; d < s.D; ++d) score += at(first + t, h * s.D + d) * at(first + j, C + h * s.D + d);
      sum += std::exp(score / std::sqrt(static_cast<double>(s.D)));
    }
    expected.push_back(std::log(sum));
  }
  EXPECT_TRUE(all_close(result.log_sum_exp.copy(), expected, bound(s)));
}

TEST(CausalAttention, TheFutureNeverInfluencesThePast) {
  const Shape s{.B = 1, .T = 100, .H = 2, .D = 20};
  const int64_t C = channels(s);
  const std::vector<float> qkv = random_qkv(s);
  const Result before(2, s, qkv);
  for (const int64_t changed : {1L, 30L, 47L, 48L, 49L, 99L}) {
    std::vector<float> other = qkv;
    for (int64_t c = 0; c < 3 * C; ++c) other[area(1, changed * 3 * C + c)] *= -3;
    const Result after(2, s, other);
    const auto past = area(changed, C);
    EXPECT_TRUE(test::same_bits({after.out.data(), past}, {before.out.data(), past})) << changed;
    EXPECT_FALSE(
        test::same_bits({after.out.data() + past, area(1, C)}, {before.out.data() + past, area(1, C)}));
  }
}

TEST(CausalAttention, SequencesOfABatchDoNotSeeEachOther) {
  const Shape pair{.B = 2, .T = 70, .H = 2, .D = 8};
  const Shape one{.B = 1, .T = 70, .H = 2, .D = 8};
  const std::vector<float> qkv = random_qkv(pair);
  const std::vector<float> out = Result(2, pair, qkv).out.copy();
  const size_t half = qkv.size() / 2;
  const Result first(1, one, std::span(qkv).first(half));
  const Result second(1, one, std::span(qkv).last(half));
  EXPECT_TRUE(test::same_bits(std::span(out).first(out.size() / 2), first.out.copy()));
  EXPECT_TRUE(test::same_bits(std::span(out).last(out.size() / 2), second.out.copy()));
}

TEST(CausalAttention, DoesNotDependOnTheNumberOfThreads) {
  const Shape s{.B = 4, .T = 100, .H = 3, .D = 16};
  const std::vector<float> qkv = random_qkv(s);
  test::expect_same_for_any_threads([&](int threads) {
    const Result result(threads, s, qkv);
    std::vector<float> all = result.out.copy();
    const std::vector<float> gradient = result.dqkv.copy();
    all.insert(all.end(), gradient.begin(), gradient.end());
    return all;
  });
}

}  // namespace
}  // namespace pretrain
