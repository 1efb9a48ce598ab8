// SPDX-License-Identifier: Apache-2.0
// The tiles of AMX: eight registers of 16 rows of 16 words. A word is a float of C, or two bf16 of successive terms of
// A or B. Included once a target, after <hwy/highway.h>.
//
//   const TileScope tiles;              // on each thread, around the others
//   ZeroTile<0>();
//   for (...) {
//     LoadTile<4>(a, 64);               // 16 rows of A
//     LoadTile<6>(b, 64);               // 16 words' rows of B
//     MultiplyTiles<0, 4, 6>();         // C += A B
//   }
//   StoreTile<0>(c, 64);

#if defined(PRETRAIN_TENSOR_BF16_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PRETRAIN_TENSOR_BF16_TILES_INL_H_
#undef PRETRAIN_TENSOR_BF16_TILES_INL_H_
#else
#define PRETRAIN_TENSOR_BF16_TILES_INL_H_
#endif

#include <array>
#include <cstdint>

#include <hwy/highway.h>

#include "libs/tensor/precision.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

#undef PRETRAIN_BF16_TILES
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3  // better targets have lower values
#define PRETRAIN_BF16_TILES 1

constexpr int64_t kTileRows = 16;
constexpr int64_t kTileWords = 16;  ///< of a row
constexpr int64_t kTileArea = kTileRows * kTileWords;
constexpr int64_t kTileRowBytes = 64;

/// Written in assembly for the same reason as those for pairs, and volatile for the same one, too.
inline bool HasBf16Tiles() {
  return Bf16Tiles::are_allowed();
}

/// What the processor reads: palette 1, and the shape of each tile.
struct alignas(64) TileShapes {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  std::array<uint8_t, 14> reserved{};
  std::array<uint16_t, 16> row_bytes{};
  std::array<uint8_t, 16> rows{};
};

constexpr TileShapes kWholeTiles = [] {
  TileShapes shapes;
  for (size_t tile = 0; tile < 8; ++tile) {
    shapes.row_bytes[tile] = kTileRowBytes;
    shapes.rows[tile] = kTileRows;
  }
  return shapes;
}();
static_assert(sizeof(TileShapes) == 64);

/// The calling thread uses tiles. Afterwards they are free again, so that the operating system need not save them when
/// it changes threads.
class TileScope {
 public:
  TileScope() { asm volatile("ldtilecfg %0" ::"m"(kWholeTiles)); }
  ~TileScope() { asm volatile("tilerelease"); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
};

template <int kTile>
HWY_INLINE void ZeroTile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}

/// Rows are `row_bytes` apart.
template <int kTile>
HWY_INLINE void LoadTile(const float* from, int64_t row_bytes) {
  asm volatile("tileloadd (%1,%2,1), %%tmm%c0" ::"i"(kTile), "r"(from), "r"(row_bytes) : "memory");
}

template <int kTile>
HWY_INLINE void StoreTile(float* to, int64_t row_bytes) {
  asm volatile("tilestored %%tmm%c0, (%1,%2,1)" ::"i"(kTile), "r"(to), "r"(row_bytes) : "memory");
}

/// kSums += kA kB: in float32, 32 terms of each sum.
template <int kSums, int kA, int kB>
HWY_INLINE void MultiplyTiles() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kA), "i"(kB));
}
#else
#define PRETRAIN_BF16_TILES 0
inline bool HasBf16Tiles() {
  return false;
}
#endif

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
