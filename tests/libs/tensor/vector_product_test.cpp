// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/vector_product.h"

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

const std::vector<int64_t> kSizes{1,  3,  7,  8,   15, 16,
                                  17, 33, 65, 255, 257};  // tasks take 256 rows or columns

TEST(VectorProduct, VectorTimesMatrixAgreesWithTheReference) {
  Compute compute(2);
  test::for_each_target([&] {
    for (const int64_t K : kSizes) {
      for (const int64_t N : kSizes) {
        SCOPED_TRACE(testing::Message() << K << " x " << N);
        const Guarded x(normal_values(area(1, K), 1), 1);
        const Guarded W(normal_values(area(K, N), 2), 3);
        const std::vector<float> bias = normal_values(area(1, N), 3);
        const bool with_bias = (K + N) % 3 != 0;
        Guarded scratch(vector_product_scratch_floats(K, N), 1);
        Guarded y(area(1, N), 2);
        vector_times_matrix(compute, x.data(), W.data(), with_bias ? bias.data() : nullptr, K, N,
                            scratch.data(), y.data());
        EXPECT_TRUE(scratch.intact());
        const Matrix expected = reference::linear(as_double(x.copy()), as_double(W.copy()),
                                                  with_bias ? as_double(bias) : Matrix(), 1, N, K);
        EXPECT_TRUE(all_close(y.copy(), expected, test::sum_bound(K)));
        EXPECT_TRUE(y.intact());
      }
    }
  });
}

TEST(VectorProduct, MatrixTimesVectorAgreesWithTheReference) {
  Compute compute(2);
  test::for_each_target([&] {
    for (const int64_t K : kSizes) {
      for (const int64_t N : kSizes) {
        SCOPED_TRACE(testing::Message() << N << " x " << K);
        const Guarded x(normal_values(area(1, K), 1), 1);
        const Guarded W(normal_values(area(N, K), 2), 3);
        Guarded y(area(1, N), 2);
        matrix_times_vector(compute, W.data(), x.data(), N, K, y.data());
        const Matrix expected =
            reference::linear_transposed(as_double(x.copy()), as_double(W.copy()), 1, N, K);
        // Relative to the terms, not to a sum that may cancel when there is only one of them.
        EXPECT_TRUE(all_close(y.copy(), expected, N == 1 ? 100 * test::sum_bound(K) : test::sum_bound(K)));
        EXPECT_TRUE(y.intact());
      }
    }
  });
}

/// Sums of five tasks, the last shorter, and rows of three.
TEST(VectorProduct, AgreesWithTheReferenceOverManyTasks) {
  Compute compute(2);
  const int64_t K = 301, N = 1000;
  const std::vector<float> x = normal_values(area(1, std::max(K, N)), 1);
  const std::vector<float> W = normal_values(area(K, N), 2);
  const std::vector<float> bias = normal_values(area(1, N), 3);
  Guarded scratch(vector_product_scratch_floats(K, N), 1);
  Guarded y(area(1, N), 2);
  vector_times_matrix(compute, x.data(), W.data(), bias.data(), K, N, scratch.data(), y.data());
  const Matrix row(x.begin(), x.begin() + K);
  EXPECT_TRUE(all_close(y.copy(), reference::linear(row, as_double(W), as_double(bias), 1, N, K),
                        test::sum_bound(K)));
  EXPECT_TRUE(scratch.intact() && y.intact());
  // The same memory read as [1000, 301].
  Guarded column(area(1, N), 1);
  matrix_times_vector(compute, W.data(), x.data(), N, K, column.data());
  EXPECT_TRUE(
      all_close(column.copy(), reference::linear_transposed(as_double(W), row, N, 1, K), test::sum_bound(K)));
  EXPECT_TRUE(column.intact());
}

TEST(VectorProduct, DoesNotDependOnTheNumberOfThreads) {
  const int64_t K = 70, N = 1000;
  const std::vector<float> x = normal_values(area(1, N), 1);
  const std::vector<float> W = normal_values(area(K, N), 2);
  test::expect_same_for_any_threads([&](int threads) {
    Compute compute(threads);
    std::vector<float> y(area(1, 2 * N));
    std::vector<float> scratch(vector_product_scratch_floats(K, N));
    vector_times_matrix(compute, x.data(), W.data(), nullptr, K, N, scratch.data(), y.data());
    matrix_times_vector(compute, W.data(), x.data(), N, K, y.data() + N);  // the same memory read as [N, K]
    return y;
  });
}

TEST(VectorProduct, CachedAttentionIsTheLastRowOfCausalAttention) {
  test::for_each_target([] {
    for (const int64_t D : {1, 3, 8, 16, 17, 40, 64, 96}) {
      for (const int64_t count : {1, 2, 9, 70, 300}) {
        SCOPED_TRACE(testing::Message() << count << " positions of " << D);
        const std::vector<float> qkv = normal_values(area(count, 3 * D), 1);
        Guarded scores(area(1, count), 1);
        Guarded out(area(1, D), 3);
        const float* last = qkv.data() + (count - 1) * 3 * D;
        attend_cached(last, qkv.data() + D, qkv.data() + 2 * D, 3 * D, count, D, scores.data(), out.data());
        const Matrix all = reference::causal_attention(as_double(qkv), 1, count, 1, D);
        EXPECT_TRUE(all_close(out.copy(), Matrix(all.end() - D, all.end()), 4 * test::sum_bound(D + count)));
        EXPECT_TRUE(scores.intact());
        EXPECT_TRUE(out.intact());
      }
    }
  });
}

}  // namespace
}  // namespace pretrain
