// SPDX-License-Identifier: Apache-2.0
// How rows of A are grouped into the tiles of the product kernel, for the one who packs and the one who
// multiplies. Included once a target, after <hwy/highway.h>.

#if defined(PRETRAIN_TENSOR_PRODUCT_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PRETRAIN_TENSOR_PRODUCT_TILES_INL_H_
#undef PRETRAIN_TENSOR_PRODUCT_TILES_INL_H_
#else
#define PRETRAIN_TENSOR_PRODUCT_TILES_INL_H_
#endif

#include <cstdint>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

// Sums of 14 rows by 2 vectors fill 28 of the 32 registers of AVX-512 and Arm; older x86 has 16. A packed
// column of a tile of A takes kPackedRows words: a cache line where the rows nearly fill it.
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128 || (HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3)
constexpr int64_t kMostRows = 6;
constexpr int64_t kPackedRows = 6;
#else
constexpr int64_t kMostRows = 14;
constexpr int64_t kPackedRows = 16;
#endif

/// M rows in tiles of nearly equal height: a last tile of one or two rows would be slow.
struct RowTiles {
  explicit RowTiles(int64_t M) : count((M + kMostRows - 1) / kMostRows), low(M / count), higher(M % count) {}
  int64_t rows(int64_t tile) const { return low + (tile < higher ? 1 : 0); }
  int64_t count;
  int64_t low;
  int64_t higher;  ///< so many tiles, the first ones, are one row higher
};

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
