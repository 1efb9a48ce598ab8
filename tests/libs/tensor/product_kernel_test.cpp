#include "libs/tensor/product_kernel.h"

#include <array>
#include <cmath>

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

enum class Left { kPlain, kTransposed, kPackedRows, kPackedColumns };

void check_kernel(int64_t M, int64_t N, int64_t K, Left left, bool accumulate) {
  SCOPED_TRACE(testing::Message() << M << " " << N << " " << K << " " << static_cast<int>(left)
                                  << accumulate);
  const bool plain = left == Left::kPlain || left == Left::kPackedRows;
  const Strided a(plain ? M : K, plain ? K : M, 3, 1);
  const Strided b(K, N, 5, 2);
  Strided c(M, N, 7, 3);
  const Addends addends = accumulate ? Addends{.matrix = c.array.data(), .ld = c.ld} : Addends{};
  const MatrixView rows(a.array.data(), a.ld);
  if (left == Left::kPackedRows || left == Left::kPackedColumns) {
    Guarded packed(static_cast<size_t>(packed_floats(M, K)), 3);
    pack_rows(M, K, left == Left::kPackedRows ? rows : rows.transposed(), packed.data());
    EXPECT_TRUE(packed.intact());
    multiply_packed(M, N, K, packed.data(), b.array.data(), b.ld, c.array.data(), c.ld, addends);
  } else {
    multiply(M, N, K, plain ? rows : rows.transposed(), b.array.data(), b.ld, c.array.data(), c.ld, addends);
  }
  Matrix expected = reference::linear(plain ? a.dense : transposed(a.dense, K, M), b.dense, {}, M, N, K);
  for (size_t i = 0; accumulate && i < expected.size(); ++i) expected[i] += c.dense[i];
  EXPECT_TRUE(all_close(c.gather(M), expected, test::sum_bound(K)));
  EXPECT_TRUE(c.array.intact());
}

TEST(ProductKernel, HandlesStridesTranspositionAndAccumulation) {
  const std::vector<std::array<int64_t, 3>> sizes{{1, 1, 1},    {64, 64, 64}, {5, 17, 33}, {64, 100, 24},
                                                  {37, 8, 129}, {14, 32, 16}, {15, 31, 7}, {28, 48, 3}};
  test::for_each_target([&] {
    for (const auto& [M, N, K] : sizes) {
      for (const Left left : {Left::kPlain, Left::kTransposed, Left::kPackedRows, Left::kPackedColumns}) {
        for (const bool accumulate : {false, true}) check_kernel(M, N, K, left, accumulate);
      }
    }
  });
}

TEST(ProductKernel, GivesTheSameBitsHoweverTheProductIsCut) {
  const int64_t M = 40, N = 50, K = 60;
  const std::vector<float> a = normal_values(area(M, K), 1);
  const std::vector<float> b = normal_values(area(K, N), 2);
  std::vector<float> whole(area(M, N));
  multiply(M, N, K, {a.data(), K}, b.data(), N, whole.data(), N);
  std::vector<float> parts(area(M, N));
  for (int64_t row = 0; row < M; row += 3) {
    for (int64_t column = 0; column < N; column += 7) {
      multiply(std::min<int64_t>(3, M - row), std::min<int64_t>(7, N - column), K, {a.data() + row * K, K},
               b.data() + column, N, parts.data() + row * N + column, N);
    }
  }
  EXPECT_TRUE(test::same_bits(whole, parts));
}

}  // namespace
}  // namespace pretrain
