#include "libs/tensor/small_product.h"

#include <vector>

#include <gtest/gtest.h>

#include "libs/base/rng.h"
#include "tests/support/matchers.h"

namespace pretrain {
namespace {

int64_t padded(int64_t n) {
  return (n + kSmallProductColumns - 1) / kSmallProductColumns * kSmallProductColumns;
}

TEST(SmallProduct, AgreesWithPlainSumsForOddSizes) {
  Rng rng(1);
  for (const int64_t M : {1, 3, 4, 7, 64}) {
    for (const int64_t N : {1, 15, 16, 17, 64, 100}) {
      for (const int64_t K : {1, 8, 33}) {
        const int64_t lda = K + 2;
        const int64_t ld = padded(N) + 16;
        std::vector<float> a(static_cast<size_t>(M * lda));
        std::vector<float> b(static_cast<size_t>(K * ld));
        for (float& value : a) value = static_cast<float>(rng.normal());
        for (float& value : b) value = static_cast<float>(rng.normal());
        std::vector<float> c(static_cast<size_t>(M * ld), -7.0F);
        small_product(M, N, K, a.data(), lda, b.data(), ld, c.data(), ld);
        std::vector<float> actual;
        std::vector<double> expected;
        for (int64_t m = 0; m < M; ++m) {
          for (int64_t n = 0; n < N; ++n) {
            double sum = 0;
            for (int64_t k = 0; k < K; ++k) {
              sum += static_cast<double>(a[static_cast<size_t>(m * lda + k)]) *
                     static_cast<double>(b[static_cast<size_t>(k * ld + n)]);
            }
            expected.push_back(sum);
            actual.push_back(c[static_cast<size_t>(m * ld + n)]);
          }
          EXPECT_EQ(c[static_cast<size_t>(m * ld + padded(N))], -7.0F) << "written outside its columns";
        }
        EXPECT_TRUE(test::all_close(actual, expected, 1e-5)) << M << " x " << N << " x " << K;
      }
    }
  }
}

}  // namespace
}  // namespace pretrain
