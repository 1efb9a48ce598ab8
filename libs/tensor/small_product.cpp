#include "libs/tensor/small_product.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/small_product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Vectors of at most 16 lanes, so that a group of kSmallProductColumns is a whole number of them on every
// target.
using Tag = hn::CappedTag<float, kSmallProductColumns>;

/// kRows rows of C by kVectors vectors of columns, all in registers.
template <int kRows, int kVectors>
void ProductTile(int64_t K, const float* a, int64_t lda, const float* b, int64_t ldb, float* c, int64_t ldc) {
  const Tag d;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<Tag> sums[kRows][kVectors];
  for (auto& row : sums) {
    for (auto& sum : row) sum = hn::Zero(d);
  }
  for (int64_t k = 0; k < K; ++k) {
    hn::Vec<Tag> columns[kVectors];
    for (int v = 0; v < kVectors; ++v) columns[v] = hn::LoadU(d, b + k * ldb + v * N);
    for (int r = 0; r < kRows; ++r) {
      const auto value = hn::Set(d, a[r * lda + k]);
      for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(value, columns[v], sums[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sums[r][v], d, c + r * ldc + v * N);
  }
}

template <int kVectors>
void ProductColumns(int64_t M, int64_t K, const float* a, int64_t lda, const float* b, int64_t ldb, float* c,
                    int64_t ldc) {
  int64_t m = 0;
  for (; m + 4 <= M; m += 4) ProductTile<4, kVectors>(K, a + m * lda, lda, b, ldb, c + m * ldc, ldc);
  for (; m < M; ++m) ProductTile<1, kVectors>(K, a + m * lda, lda, b, ldb, c + m * ldc, ldc);
}

void SmallProduct(int64_t M, int64_t N, int64_t K, const float* a, int64_t lda, const float* b, int64_t ldb,
                  float* c, int64_t ldc) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(Tag()));
  const int64_t columns = (N + kSmallProductColumns - 1) / kSmallProductColumns * kSmallProductColumns;
  int64_t n = 0;
  for (; n + 4 * lanes <= columns; n += 4 * lanes) ProductColumns<4>(M, K, a, lda, b + n, ldb, c + n, ldc);
  for (; n < columns; n += lanes) ProductColumns<1>(M, K, a, lda, b + n, ldb, c + n, ldc);
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(SmallProduct);

void small_product(int64_t M, int64_t N, int64_t K, const float* a, int64_t lda, const float* b, int64_t ldb,
                   float* c, int64_t ldc) {
  HWY_DYNAMIC_DISPATCH(SmallProduct)(M, N, K, a, lda, b, ldb, c, ldc);
}

}  // namespace pretrain
#endif  // HWY_ONCE
