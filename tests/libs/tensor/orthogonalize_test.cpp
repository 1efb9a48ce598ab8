// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/orthogonalize.h"

#include <gtest/gtest.h>

#include "libs/tensor/reference/orthogonal.h"
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

/// Two things enlarge rounding errors of the Gram matrix: its smallest eigenvalues have the same absolute ones
/// as its largest, and the polynomials are steep at the end of their interval. Seen: up to 3e-4.
constexpr double kBound = 1e-3;

std::vector<float> orthogonalized(Compute& compute, const std::vector<float>& x, const MatrixSize& size,
                                  Workers workers = Workers::kAll) {
  const Guarded from(x, 1);
  Guarded out(x.size(), 3);
  Guarded scratch(orthogonalize_scratch(size));
  const auto run = [&] { orthogonalize(compute, workers, size, from.data(), out.data(), scratch.data()); };
  if (workers == Workers::kAll) {
    run();
  } else {
    compute.parallel_for(1, [&](size_t) { run(); });
  }
  EXPECT_TRUE(out.intact() && scratch.intact());
  return out.copy();
}

std::vector<float> orthogonalized(const std::vector<float>& x, const MatrixSize& size) {
  Compute compute(1);
  return orthogonalized(compute, x, size);
}

std::vector<float> random_matrix(const MatrixSize& size, uint64_t seed) {
  return normal_values(area(size.rows, size.columns), seed);
}

Matrix expected_for(const std::vector<float>& x, const MatrixSize& size) {
  return reference::orthogonal(as_double(x), size.rows, size.columns);
}

// --- the polynomials

/// The extremes of an odd polynomial of degree 5 on [low, high]: its ends, and where its derivative is 0.
std::vector<double> extremes(const OddPolynomial& p, double low, double high) {
  const double root = std::sqrt(9 * p.b * p.b - 20 * p.a * p.c);
  const double first = std::sqrt((-3 * p.b - root) / (10 * p.c));
  const double second = std::sqrt((-3 * p.b + root) / (10 * p.c));
  EXPECT_TRUE(low < first && first < second && second < high);
  return {p(low), p(first), p(second), p(high)};
}

/// Chebyshev's theorem: among the odd polynomials a x + b x^3 + c x^5, which have three parameters, the nearest
/// to 1 is the one that misses it equally far at four points with changing signs.
TEST(OrthogonalSteps, EachIsTheBestForWhatTheEarlierOnesLeave) {
  double low = kOrthogonalFrom, high = 1;
  for (const OddPolynomial& p : orthogonal_steps()) {
    const std::vector<double> values = extremes(p, low, high);
    const double miss = 1 - values[0];
    EXPECT_GT(miss, 0);
    EXPECT_NEAR(values[1], 1 + miss, 1e-6);
    EXPECT_NEAR(values[2], 1 - miss, 1e-6);
    EXPECT_NEAR(values[3], 1 + miss, 1e-6);
    low = 1 - miss;
    high = 1 + miss;
  }
  EXPECT_NEAR(low, 0.917, 1e-3) << "what the documents say of the last one";
}

// --- the reference

/// I - 2 v v^T for a unit vector v.
Matrix reflection(int64_t n, uint64_t seed) {
  Matrix v = as_double(normal_values(static_cast<size_t>(n), seed));
  const double length = std::sqrt(test::dot(v, v));
  Matrix h(area(n, n));
  for (int64_t r = 0; r < n; ++r) {
    for (int64_t c = 0; c < n; ++c) {
      const double product = v[static_cast<size_t>(r)] * v[static_cast<size_t>(c)] / (length * length);
      h[static_cast<size_t>(r * n + c)] = (r == c ? 1 : 0) - 2 * product;
    }
  }
  return h;
}

/// U S V^T with the given singular values.
Matrix with_singular_values(const std::vector<double>& s, int64_t rows, int64_t columns) {
  Matrix diagonal(area(rows, columns));
  for (size_t i = 0; i < s.size(); ++i) diagonal[i * static_cast<size_t>(columns) + i] = s[i];
  const Matrix left = reference::linear(reflection(rows, 1), diagonal, {}, rows, columns, rows);
  return reference::linear(left, reflection(columns, 2), {}, rows, columns, columns);
}

TEST(OrthogonalReference, IsThePolynomialOfTheSingularValues) {
  std::vector<double> s{7, 3, 0.5, 0.06, 1e-4};
  double bound = 0;
  for (const double value : s) bound += std::pow(value, 8);
  bound = std::pow(bound, 1.0 / 8);
  const Matrix fast = reference::orthogonal(with_singular_values(s, 5, 9), 5, 9);
  for (double& value : s) {
    value /= bound;
    for (const OddPolynomial& p : orthogonal_steps()) value = p(value);
  }
  EXPECT_TRUE(all_close(fast, with_singular_values(s, 5, 9), 1e-9));
  EXPECT_NEAR(s[2], 1, 0.084);
  EXPECT_NEAR(s[3], 1, 0.084);
  EXPECT_LT(s[4], 0.1) << "below what is brought near 1";
}

TEST(OrthogonalReference, OfATransposeIsTheTranspose) {
  const Matrix x = as_double(random_matrix({3, 5}, 1));
  Matrix turned(15);
  for (size_t i = 0; i < 15; ++i) turned[i % 5 * 3 + i / 5] = x[i];
  const Matrix wide = reference::orthogonal(x, 3, 5);
  const Matrix tall = reference::orthogonal(turned, 5, 3);
  for (size_t i = 0; i < 15; ++i) EXPECT_EQ(tall[i % 5 * 3 + i / 5], wide[i]);
}

// --- the fast version

TEST(Orthogonalize, AgreesWithTheReference) {
  const std::vector<MatrixSize> sizes{{1, 1},    {1, 7},    {7, 1},    {2, 2},   {5, 3},
                                      {16, 16},  {17, 33},  {63, 9},   {64, 65}, {70, 70},
                                      {129, 70}, {70, 540}, {540, 33}, {3, 1100}};
  for (const MatrixSize& size : sizes) {
    SCOPED_TRACE(testing::Message() << size.rows << " x " << size.columns);
    const std::vector<float> x = random_matrix(size, 3);
    const Matrix expected = expected_for(x, size);
    test::for_each_target([&] { EXPECT_TRUE(all_close(orthogonalized(x, size), expected, kBound)); });
  }
}

/// More terms than are added before the next panel, on the shorter side too.
TEST(Orthogonalize, AgreesWithTheReferenceBeyondOneChunk) {
  const MatrixSize size{515, 530};
  const std::vector<float> x = random_matrix(size, 4);
  EXPECT_TRUE(all_close(orthogonalized(x, size), expected_for(x, size), kBound));
}

/// Rows of very different length, as gradients have them.
TEST(Orthogonalize, AgreesWithTheReferenceForUnevenRows) {
  const MatrixSize size{40, 90};
  std::vector<float> x = random_matrix(size, 5);
  for (size_t i = 0; i < x.size(); ++i) x[i] *= std::pow(10.0F, -static_cast<float>(i / 90 % 7) / 2);
  EXPECT_TRUE(all_close(orthogonalized(x, size), expected_for(x, size), kBound));
}

TEST(Orthogonalize, MakesRowsOfLengthOneAtRightAngles) {
  const MatrixSize size{40, 400};
  const std::vector<float> out = orthogonalized(random_matrix(size, 6), size);
  for (size_t a = 0; a < 40; ++a) {
    for (size_t b = 0; b <= a; ++b) {
      double product = 0;
      for (size_t i = 0; i < 400; ++i)
        product += static_cast<double>(out[a * 400 + i]) * static_cast<double>(out[b * 400 + i]);
      EXPECT_NEAR(product, a == b ? 1 : 0, 0.17) << a << ", " << b;
    }
  }
}

TEST(Orthogonalize, DoesNotDependOnTheScale) {
  const MatrixSize size{20, 31};
  const std::vector<float> x = random_matrix(size, 7);
  const std::vector<float> expected = orthogonalized(x, size);
  for (const int exponent : {-40, -1, 3, 50}) {
    std::vector<float> scaled = x;
    for (float& value : scaled) value = std::ldexp(value, exponent);
    EXPECT_TRUE(test::same_bits(orthogonalized(scaled, size), expected)) << exponent;
  }
}

TEST(Orthogonalize, MakesZeroOfWhatIsZeroOrTooSmallOrTooLarge) {
  const MatrixSize size{6, 5};
  std::vector<float> x = random_matrix(size, 8);
  for (const float factor : {0.0F, 1e-20F, 1e-38F, 1e19F, 1e38F}) {
    std::vector<float> small = x;
    for (float& value : small) value *= factor;
    for (const float value : orthogonalized(small, size)) EXPECT_EQ(value, 0) << factor;
  }
  x[7] = std::numeric_limits<float>::quiet_NaN();
  for (const float value : orthogonalized(x, size)) EXPECT_EQ(value, 0);
}

TEST(Orthogonalize, StaysFiniteWithoutFullRank) {
  const MatrixSize size{70, 80};
  for (const size_t rank : {1U, 2U, 30U}) {
    std::vector<float> x = random_matrix(size, 9);
    for (size_t i = rank * 80; i < x.size(); ++i) x[i] = x[i % (rank * 80)];
    double squares = 0;
    for (const float value : orthogonalized(x, size)) {
      ASSERT_TRUE(std::isfinite(value));
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    // As many singular values of about 1 as there are independent rows; rounding errors add small ones.
    EXPECT_NEAR(squares, static_cast<double>(rank), 0.18 * static_cast<double>(rank) + 0.5) << rank;
  }
}

TEST(Orthogonalize, DoesNotDependOnWhoWorks) {
  const test::MoreThreads more_threads;
  for (const MatrixSize& size : {MatrixSize{150, 700}, {700, 130}}) {
    const std::vector<float> x = random_matrix(size, 10);
    const std::vector<float> expected = orthogonalized(x, size);
    for (int threads = 1; threads <= 4; ++threads) {
      Compute compute(threads);
      EXPECT_TRUE(test::same_bits(orthogonalized(compute, x, size), expected)) << threads;
      EXPECT_TRUE(test::same_bits(orthogonalized(compute, x, size, Workers::kCallingThread), expected));
    }
  }
}

/// The comparison above must notice what a wrong version would do.
TEST(Orthogonalize, TheComparisonRejectsPlantedFaults) {
  const MatrixSize size{17, 33};
  const std::vector<float> x = random_matrix(size, 3);
  const Matrix expected = expected_for(x, size);
  const std::vector<float> right = orthogonalized(x, size);
  ASSERT_TRUE(all_close(right, expected, kBound));
  std::vector<float> wrong(right.size());
  EXPECT_FALSE(all_close(wrong, expected, kBound)) << "zeros";
  EXPECT_FALSE(all_close(x, expected, kBound)) << "the matrix itself";
  wrong = right;
  for (float& value : wrong) value *= 1.01F;
  EXPECT_FALSE(all_close(wrong, expected, kBound)) << "one percent";
  wrong = right;
  std::swap_ranges(wrong.begin(), wrong.begin() + 33, wrong.begin() + 33);
  EXPECT_FALSE(all_close(wrong, expected, kBound)) << "two rows exchanged";
  wrong = right;
  wrong.back() = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(all_close(wrong, expected, kBound)) << "NaN";
}

}  // namespace
}  // namespace pretrain
