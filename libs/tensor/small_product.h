#pragma once
// Products too small for a library call: one thread, a few thousand elements, operands in cache.

#include <cstdint>

namespace pretrain {

/// Columns are computed in whole groups of this many: operands of small_product are padded to a multiple of
/// it.
constexpr int64_t kSmallProductColumns = 16;

/// C[M, N] = A[M, K] B[K, N], overwritten. Runs on the calling thread.
/// Requires: ldb and ldc at least N rounded up to kSmallProductColumns; B's columns from N on are finite.
/// C's columns from N up to that multiple are overwritten too.
void small_product(int64_t M, int64_t N, int64_t K, const float* a, int64_t lda, const float* b, int64_t ldb,
                   float* c, int64_t ldc);

}  // namespace pretrain
