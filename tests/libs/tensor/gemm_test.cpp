#include "libs/tensor/gemm.h"

#include <array>
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

/// Around the heights of tiles.
const std::vector<int64_t> kRows{1, 2, 7, 63, 64, 65, 127, 128, 129, 255, 256, 257, 300, 511, 512, 513, 600};
/// K and N around the 16 rows and 64 columns of a panel.
const std::vector<std::pair<int64_t, int64_t>> kInnerAndColumns{{1, 1},   {3, 5},   {15, 63},
                                                                {16, 64}, {17, 65}, {33, 130}};

/// What a product may add besides A B.
struct Extras {
  bool accumulate = false, bias = false, initial = false;
};
const std::vector<Extras> kExtras{
    {}, {.bias = true}, {.accumulate = true}, {.accumulate = true, .bias = true, .initial = true}};

Matrix plus(Matrix a, const std::vector<float>& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += static_cast<double>(b[i]);
  return a;
}

void check_product(Compute& compute, int64_t M, int64_t N, int64_t K, const Extras& extras) {
  SCOPED_TRACE(testing::Message() << "M " << M << ", N " << N << ", K " << K);
  const Guarded a(normal_values(area(M, K), 1), 3);
  const std::vector<float> b = normal_values(area(K, N), 2);
  const Guarded bias(normal_values(area(1, N), 3), 1);
  const std::vector<float> before = normal_values(area(M, N), 4);
  PackedMatrix packed(K, N);
  packed.pack(compute, b.data(), N);
  Guarded c(area(M, N), 5);
  if (extras.accumulate && !extras.initial) std::copy(before.begin(), before.end(), c.data());

  const Product product(compute,
                        {.M = M, .N = N, .K = K, .accumulate = extras.accumulate, .bias = extras.bias});
  product.run(a.data(), packed, c.data(), extras.bias ? bias.data() : nullptr,
              extras.initial ? before.data() : nullptr);

  Matrix expected = reference::linear(as_double(a.copy()), as_double(b),
                                      extras.bias ? as_double(bias.copy()) : Matrix(), M, N, K);
  if (extras.accumulate) expected = plus(std::move(expected), before);
  EXPECT_TRUE(all_close(c.copy(), expected, test::sum_bound(K)));
  EXPECT_TRUE(c.intact());
}

TEST(Product, AgreesWithTheReferenceForOddSizes) {
  Compute compute(2);
  size_t variant = 0;
  for (const int64_t M : kRows) {
    for (const auto& [K, N] : kInnerAndColumns) {
      check_product(compute, M, N, K, kExtras[variant++ % kExtras.size()]);
    }
    ++variant;  // else each pair would always meet the same extras
  }
}

TEST(Product, AgreesWithTheReferenceForALongSum) {
  Compute compute(2);
  check_product(compute, 66, 70, 1025, {.accumulate = true, .bias = true});
}

TEST(Product, OverwritesWhatStoodThere) {
  Compute compute(1);
  PackedMatrix packed(2, 3);
  packed.pack(compute, std::vector<float>{1, 2, 3, 4, 5, 6}.data(), 3);
  std::vector<float> c(3, std::numeric_limits<float>::quiet_NaN());
  Product(compute, {.M = 1, .N = 3, .K = 2}).run(std::vector<float>{1, 10}.data(), packed, c.data());
  EXPECT_EQ(c, (std::vector<float>{41, 52, 63}));
}

TEST(Product, DoesNotDependOnTheNumberOfThreads) {
  const int64_t M = 600, N = 130, K = 70;
  const std::vector<float> a = normal_values(area(M, K), 1);
  const std::vector<float> b = normal_values(area(K, N), 2);
  test::expect_same_for_any_threads([&](int threads) {
    Compute compute(threads);
    PackedMatrix packed(K, N);
    packed.pack(compute, b.data(), N);
    std::vector<float> c(area(M, N));
    Product(compute, {.M = M, .N = N, .K = K}).run(a.data(), packed, c.data());
    return c;
  });
}

std::vector<float> product_with(Compute& compute, const PackedMatrix& packed, const std::vector<float>& a) {
  const int64_t M = static_cast<int64_t>(a.size()) / packed.K();
  std::vector<float> c(area(M, packed.N()));
  Product(compute, {.M = M, .N = packed.N(), .K = packed.K()}).run(a.data(), packed, c.data());
  return c;
}

TEST(PackedMatrix, PacksTheTransposeOfWhatIsStored) {
  Compute compute(2);
  for (const auto& [K, N] : kInnerAndColumns) {
    const int64_t ld = N + 3;
    const int64_t ld_transposed = K + 5;
    const std::vector<float> b = normal_values(area(K, ld), 2);
    std::vector<float> transposed(area(N, ld_transposed), std::numeric_limits<float>::quiet_NaN());
    for (int64_t k = 0; k < K; ++k) {
      for (int64_t n = 0; n < N; ++n) transposed[area(1, n * ld_transposed + k)] = b[area(1, k * ld + n)];
    }
    PackedMatrix straight(K, N);
    straight.pack(compute, b.data(), ld);
    PackedMatrix turned(K, N);
    turned.pack_transposed(compute, transposed.data(), ld_transposed);
    const std::vector<float> a = normal_values(area(9, K), 3);
    EXPECT_TRUE(test::same_bits(product_with(compute, turned, a), product_with(compute, straight, a)))
        << K << " x " << N;
  }
}

TEST(PackedMatrix, TakesAnotherShapeWithoutRemainsOfTheFormer) {
  Compute compute(2);
  PackedMatrix packed(PackedMatrix::size_floats(40, 150));
  packed.reshape(40, 150);
  packed.pack(compute, std::vector<float>(6000, std::numeric_limits<float>::quiet_NaN()).data(), 150);
  packed.reshape(19, 70);
  const std::vector<float> b = normal_values(area(19, 70), 1);
  packed.pack(compute, b.data(), 70);
  const std::vector<float> a = normal_values(area(5, 19), 2);
  const Matrix expected = reference::linear(as_double(a), as_double(b), {}, 5, 70, 19);
  EXPECT_TRUE(all_close(product_with(compute, packed, a), expected, test::sum_bound(19)));
}

TEST(ProductCache, MakesOneProductForAShape) {
  Compute compute(1);
  ProductCache cache(compute);
  const Product& first = cache.get({.M = 4, .N = 5, .K = 6});
  EXPECT_EQ(&cache.get({.M = 4, .N = 5, .K = 6}), &first);
  EXPECT_NE(&cache.get({.M = 4, .N = 5, .K = 6, .bias = true}), &first);
}

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

void check_tile(int64_t M, int64_t N, int64_t K, bool transpose_a, bool transpose_b, bool accumulate) {
  SCOPED_TRACE(testing::Message() << M << " " << N << " " << K << " " << transpose_a << transpose_b
                                  << accumulate);
  const Strided a(transpose_a ? K : M, transpose_a ? M : K, 3, 1);
  const Strided b(transpose_b ? N : K, transpose_b ? K : N, 5, 2);
  Strided c(M, N, 7, 3);
  const TileGemm tile({.M = M,
                       .N = N,
                       .K = K,
                       .lda = a.ld,
                       .ldb = b.ld,
                       .ldc = c.ld,
                       .transpose_a = transpose_a,
                       .transpose_b = transpose_b,
                       .accumulate = accumulate},
                      1);
  tile.run(0, a.array.data(), b.array.data(), c.array.data());
  Matrix expected = reference::linear(transpose_a ? transposed(a.dense, K, M) : a.dense,
                                      transpose_b ? transposed(b.dense, N, K) : b.dense, {}, M, N, K);
  for (size_t i = 0; accumulate && i < expected.size(); ++i) expected[i] += c.dense[i];
  EXPECT_TRUE(all_close(c.gather(M), expected, test::sum_bound(K)));
  EXPECT_TRUE(c.array.intact());
}

TEST(TileGemm, HandlesStridesTranspositionAndAccumulation) {
  const std::vector<std::array<int64_t, 3>> sizes{
      {1, 1, 1}, {64, 64, 64}, {5, 17, 33}, {64, 100, 24}, {37, 8, 129}};
  for (const auto& [M, N, K] : sizes) {
    for (int bits = 0; bits < 8; ++bits)
      check_tile(M, N, K, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0);
  }
}

}  // namespace
}  // namespace pretrain
