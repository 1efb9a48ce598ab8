// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/product_kernel.h"

#include <array>
#include <bit>
#include <cmath>
#include <utility>

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

/// A matrix with rows `ld` apart; the gaps are NaN.
struct Strided {
  Strided(int64_t rows, int64_t columns, int64_t gap, uint64_t seed)
      : ld(columns + gap), width(columns), array(area(rows, columns + gap) - static_cast<size_t>(gap), 1) {
    const std::vector<float> values = normal_values(area(rows, columns), seed);
    for (int64_t r = 0; r < rows; ++r) {
      std::copy_n(values.begin() + r * columns, columns, array.data() + r * ld);
    }
    dense = as_double(values);
  }
  /// The values without the gaps; fails the test when a gap was written.
  std::vector<float> gather(int64_t rows) const {
    std::vector<float> values;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < ld && (r + 1 < rows || c < width); ++c) {
        const float value = array.data()[r * ld + c];
        EXPECT_TRUE(c < width || std::isnan(value)) << "gap of row " << r;
        if (c < width) values.push_back(value);
      }
    }
    return values;
  }

  int64_t ld, width;
  Guarded array;
  Matrix dense;
};

Matrix transposed(const Matrix& in, int64_t rows, int64_t columns) {
  Matrix out(in.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) out[area(1, c * rows + r)] = in[area(1, r * columns + c)];
  }
  return out;
}

enum class Left { kPlain, kTransposed };

/// A product of random matrices with gaps between their rows, and what has to come of it.
struct Problem {
  Problem(int64_t rows, int64_t columns, int64_t terms, Left how)
      : M(rows),
        N(columns),
        K(terms),
        left(how),
        a(plain() ? M : K, plain() ? K : M, 3, 1),
        b(K, N, 5, 2),
        c(M, N, 7, 3) {}
  bool plain() const { return left == Left::kPlain; }
  MatrixView view() const {
    const MatrixView rows(a.array.data(), a.ld);
    return plain() ? rows : rows.transposed();
  }
  Addends addends(bool accumulate) {
    return accumulate ? Addends{.matrix = c.array.data(), .ld = c.ld} : Addends{};
  }
  Matrix expected(Precision precision, bool accumulate) const {
    Matrix sums =
        reference::linear(reference::as_operand(precision, plain() ? a.dense : transposed(a.dense, K, M)),
                          reference::as_operand(precision, b.dense), {}, M, N, K);
    for (size_t i = 0; accumulate && i < sums.size(); ++i) sums[i] += c.dense[i];
    return sums;
  }

  int64_t M, N, K;
  Left left;
  Strided a, b, c;
};

void check_plain(int64_t M, int64_t N, int64_t K, Left left, bool accumulate) {
  Problem p(M, N, K, left);
  const Matrix expected = p.expected(Precision::kFloat32, accumulate);
  multiply({M, N, K}, p.view(), {p.b.array.data(), p.b.ld}, {p.c.array.data(), p.c.ld},
           p.addends(accumulate));
  EXPECT_TRUE(all_close(p.c.gather(M), expected, test::sum_bound(K)));
  EXPECT_TRUE(p.c.array.intact());
}

void check_packed(Precision precision, int64_t M, int64_t N, int64_t K, Left left, bool accumulate) {
  Problem p(M, N, K, left);
  const Matrix expected = p.expected(precision, accumulate);
  Guarded rows(static_cast<size_t>(packed_row_words(precision, M, K)), 3);
  pack_rows(precision, M, K, p.view(), rows.data());
  EXPECT_TRUE(rows.intact());
  const int64_t ld = (N + 3) / 4 * 4 + 5;
  Guarded columns(area(words_of(precision, K), ld), 1);
  pack_columns(precision, K, N, {p.b.array.data(), p.b.ld}, columns.data(), ld);
  EXPECT_TRUE(columns.intact());
  multiply_packed(precision, {M, N, K}, rows.data(), {columns.data(), ld}, {p.c.array.data(), p.c.ld},
                  p.addends(accumulate));
  EXPECT_TRUE(all_close(p.c.gather(M), expected, test::sum_bound(K)));
  EXPECT_TRUE(p.c.array.intact());
}

TEST(ProductKernel, HandlesStridesTranspositionAndAccumulation) {
  const std::vector<std::array<int64_t, 3>> sizes{{1, 1, 1},    {64, 64, 64}, {5, 17, 33},   {64, 100, 24},
                                                  {37, 8, 129}, {14, 32, 16}, {15, 31, 7},   {28, 48, 3},
                                                  {33, 49, 70}, {80, 16, 32}, {16, 33, 1030}};
  test::for_each_target([&] {
    for (const auto& [M, N, K] : sizes) {
      for (const Left left : {Left::kPlain, Left::kTransposed}) {
        for (const bool accumulate : {false, true}) {
          SCOPED_TRACE(testing::Message() << M << " " << N << " " << K << (left == Left::kPlain ? "" : " A^T")
                                          << (accumulate ? " accumulated" : ""));
          check_plain(M, N, K, left, accumulate);
          check_packed(Precision::kFloat32, M, N, K, left, accumulate);
          check_packed(Precision::kBf16, M, N, K, left, accumulate);
        }
      }
    }
  });
}

/// The words of a single column, as floats' bits.
std::vector<uint32_t> words_of_column(const std::vector<float>& column) {
  const auto K = static_cast<int64_t>(column.size());
  std::vector<float> packed(area(words_of(Precision::kBf16, K), 4));
  pack_columns(Precision::kBf16, K, 1, {column.data(), 1}, packed.data(), 4);
  std::vector<uint32_t> words;
  for (size_t i = 0; i < packed.size(); i += 4) words.push_back(std::bit_cast<uint32_t>(packed[i]));
  return words;
}

TEST(ProductPacking, RoundsToTheNearestBf16AndTiesToEven) {
  const auto bits = [](uint32_t value) { return std::bit_cast<float>(value); };
  test::for_each_target([&] {
    // Below, at and above the middle between two neighbours, with an even and an odd one below.
    EXPECT_EQ(words_of_column({bits(0x3F807FFF), bits(0x3F808000), bits(0x3F808001), bits(0x3F818000),
                               bits(0xBF807FFF), bits(0xBF818000)}),
              (std::vector<uint32_t>{0x3F803F80, 0x3F823F81, 0xBF82BF80}));
    // Carries into the exponent and beyond the largest number; infinities and zeros of both signs.
    EXPECT_EQ(words_of_column(
                  {bits(0x3FFFFFFF), bits(0x7F7FFFFF), bits(0x7F800000), bits(0xFF800000), 0.0F, -0.0F}),
              (std::vector<uint32_t>{0x7F804000, 0xFF807F80, 0x80000000}));
    // A missing second term is zero.
    EXPECT_EQ(words_of_column({1.0F, 2.0F, 3.0F}), (std::vector<uint32_t>{0x40003F80, 0x00004040}));
  });
}

TEST(ProductPacking, KeepsNotANumber) {
  test::for_each_target([] {
    for (const uint32_t pattern : {0x7FFFFFFFU, 0xFFFFFFFFU, 0x7F800001U, 0x7FC00000U}) {
      for (const uint32_t word :
           words_of_column({std::bit_cast<float>(pattern), std::bit_cast<float>(pattern)})) {
        EXPECT_TRUE(std::isnan(std::bit_cast<float>(word & 0xFFFF0000))) << pattern;
        EXPECT_TRUE(std::isnan(std::bit_cast<float>(word << 16))) << pattern;
      }
    }
  });
}

/// The same matrix given in rows and in columns.
TEST(ProductPacking, PacksATransposedRightOperandAsAPlainOne) {
  test::for_each_target([] {
    for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
      for (const auto& [K, N] :
           std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {7, 3}, {8, 4}, {33, 17}, {130, 64}}) {
        const std::vector<float> b = normal_values(area(K, N), 1);
        std::vector<float> turned(b.size());
        for (int64_t k = 0; k < K; ++k) {
          for (int64_t n = 0; n < N; ++n) turned[area(1, n * K + k)] = b[area(1, k * N + n)];
        }
        const int64_t ld = (N + 3) / 4 * 4;
        std::vector<float> plain(area(words_of(precision, K), ld));
        std::vector<float> from_columns(plain.size());
        pack_columns(precision, K, N, {b.data(), N}, plain.data(), ld);
        pack_columns(precision, K, N, MatrixView(turned.data(), K).transposed(), from_columns.data(), ld);
        for (size_t i = 0; i < plain.size(); ++i) {
          if (static_cast<int64_t>(i) % ld >= N) plain[i] = from_columns[i] = 0;  // room for whole vectors
        }
        EXPECT_TRUE(test::same_bits(plain, from_columns)) << K << " x " << N;
      }
    }
  });
}

TEST(ProductPacking, AddsUpColumnsInOrderAndBeforeRounding) {
  test::for_each_target([] {
    for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
      for (const int64_t N : {1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 70}) {
        for (const int64_t K : {1, 2, 33}) {
          SCOPED_TRACE(testing::Message() << precision_name(precision) << " " << K << " x " << N);
          const Strided b(K, N, 5, 2);
          std::vector<float> expected(area(1, N));
          for (int64_t k = 0; k < K; ++k) {
            for (int64_t n = 0; n < N; ++n) expected[area(1, n)] += b.array.data()[k * b.ld + n];
          }
          const int64_t ld = (N + 3) / 4 * 4;
          Guarded packed(area(words_of(precision, K), ld), 1);
          Guarded plain(area(words_of(precision, K), ld), 1);
          Guarded sums(area(1, N), 3);
          pack_columns(precision, K, N, {b.array.data(), b.ld}, plain.data(), ld);
          pack_columns_and_sum(precision, {b.array.data(), b.ld, K, N}, packed.data(), ld, Store::kOverwrite,
                               sums.data());
          EXPECT_TRUE(test::same_bits(packed.copy(), plain.copy()));
          EXPECT_TRUE(test::same_bits(sums.copy(), expected));
          pack_columns_and_sum(precision, {b.array.data(), b.ld, K, N}, packed.data(), ld, Store::kAccumulate,
                               sums.data());
          Matrix twice = as_double(expected);
          for (double& value : twice) value *= 2;
          EXPECT_TRUE(all_close(sums.copy(), twice, test::sum_bound(2 * K)));
          EXPECT_TRUE(packed.intact() && sums.intact());
        }
      }
    }
  });
}

/// f(row, column, rows, columns) for parts of [M, N].
template <typename F>
void for_each_part(int64_t M, int64_t N, const F& f) {
  for (int64_t row = 0; row < M; row += 3) {
    for (int64_t column = 0; column < N; column += 7)
      f(row, column, std::min<int64_t>(3, M - row), std::min<int64_t>(7, N - column));
  }
}

TEST(ProductKernel, GivesTheSameBitsHoweverTheProductIsCut) {
  const int64_t M = 40, N = 50, K = 60;
  const std::vector<float> a = normal_values(area(M, K), 1);
  const std::vector<float> b = normal_values(area(K, N), 2);
  test::for_each_target([&] {
    std::vector<float> whole(area(M, N)), parts(whole);
    multiply({M, N, K}, {a.data(), K}, {b.data(), N}, {whole.data(), N});
    for_each_part(M, N, [&](int64_t row, int64_t column, int64_t rows, int64_t columns) {
      multiply({rows, columns, K}, {a.data() + row * K, K}, {b.data() + column, N},
               {parts.data() + row * N + column, N});
    });
    EXPECT_TRUE(test::same_bits(whole, parts));
  });
}

TEST(ProductKernel, GivesTheSameBitsOfPackedRowsHoweverTheProductIsCut) {
  const int64_t M = 40, N = 50, K = 61, ld = 52;
  const std::vector<float> a = normal_values(area(M, K), 1);
  const std::vector<float> b = normal_values(area(K, N), 2);
  for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
    test::for_each_target([&] {
      std::vector<float> columns_of_b(area(words_of(precision, K), ld));
      pack_columns(precision, K, N, {b.data(), N}, columns_of_b.data(), ld);
      const auto multiply_rows = [&](int64_t row, int64_t column, int64_t rows, int64_t columns, float* c) {
        std::vector<float> packed(area(1, packed_row_words(precision, rows, K)));
        pack_rows(precision, rows, K, {a.data() + row * K, K}, packed.data());
        multiply_packed(precision, {rows, columns, K}, packed.data(), {columns_of_b.data() + column, ld},
                        {c + row * N + column, N});
      };
      std::vector<float> whole(area(M, N)), parts(whole);
      multiply_rows(0, 0, M, N, whole.data());
      for_each_part(M, N, [&](int64_t row, int64_t column, int64_t rows, int64_t columns) {
        multiply_rows(row, column, rows, columns, parts.data());
      });
      EXPECT_TRUE(test::same_bits(whole, parts)) << precision_name(precision);
    });
  }
}

}  // namespace
}  // namespace pretrain
