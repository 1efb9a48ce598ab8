// SPDX-License-Identifier: Apache-2.0
// The product kernel for processors with tiles of bf16. Included once a target, after <hwy/highway.h>.
//
// It sums 32 x 32 elements of C in four tiles, two of A by two of B, so that each load of a tile serves two
// multiplications. Their instruction adds the products of 32 terms in its own order, block after block from
// the first term on: an element's bits depend on where its sum begins, not on how C was cut.

#if defined(PRETRAIN_TENSOR_TILE_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PRETRAIN_TENSOR_TILE_PRODUCT_INL_H_
#undef PRETRAIN_TENSOR_TILE_PRODUCT_INL_H_
#else
#define PRETRAIN_TENSOR_TILE_PRODUCT_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cstdint>

#include <hwy/highway.h>

#include "libs/tensor/product_operands.h"
// Included once a target, too.
#include "libs/tensor/bf16_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if PRETRAIN_BF16_TILES

/// A product as the kernel sees it: A in tiles from pack_rows(), B in rows of words.
struct TiledProduct {
  int64_t M, N;
  int64_t words;   ///< of a sum
  int64_t blocks;  ///< tiles that hold a row's words
  const float* a;
  RightRows b;
  ProductRows c;
  Addends addends;
  const float* fetch;  ///< lines to prefetch meanwhile
  int64_t fetch_lines;
  const char* fetch_rows;   ///< rows of C's epilogue to prefetch
  int64_t fetch_row_bytes;  ///< distance between these
  int64_t lines_per_row;
};

/// Loads 16 rows of words of B, from row 16 * block and `column` on. Copies them first where the tile would reach beyond
/// B: what is beyond the last row counts as 0, what is beyond the last column is in no result.
template <int kTile>
HWY_INLINE void LoadRightTile(const TiledProduct& p, int64_t block, int64_t column) {
  const int64_t first = block * kTileWords;
  const float* from = p.b.words + first * p.b.ld + column;
  const int64_t rows = std::min(kTileWords, p.words - first);
  if (rows == kTileWords && column + kTileWords <= p.b.ld)
    return LoadTile<kTile>(from, p.b.ld * static_cast<int64_t>(sizeof(float)));
  const hn::FixedTag<float, kTileWords> d;
  const auto inside = hn::FirstN(d, static_cast<size_t>(std::min(kTileWords, p.N - column)));
  alignas(64) std::array<float, kTileArea> copy;
  for (int64_t r = 0; r < kTileWords; ++r) {
    const auto words = r < rows ? hn::MaskedLoad(inside, d, from + r * p.b.ld) : hn::Zero(d);
    hn::Store(words, d, copy.data() + r * kTileWords);
  }
  LoadTile<kTile>(copy.data(), kTileRowBytes);
}

/// Stores sums of a tile with the addends, as far as C reaches: rows and columns from (row, column) on.
HWY_INLINE void StoreSums(const TiledProduct& p, const float* sums, int64_t row, int64_t column) {
  const hn::FixedTag<float, kTileWords> d;
  const int64_t rows = std::min(kTileRows, p.M - row);
  const auto inside = hn::FirstN(d, static_cast<size_t>(std::min(kTileWords, p.N - column)));
  const Addends& addends = p.addends;
  const auto bias = addends.bias == nullptr ? hn::Zero(d) : hn::MaskedLoad(inside, d, addends.bias + column);
  for (int64_t r = 0; r < rows; ++r) {
    auto sum = hn::Load(d, sums + r * kTileWords);
    if (addends.matrix != nullptr)
      sum = hn::Add(sum, hn::MaskedLoad(inside, d, addends.matrix + (row + r) * addends.ld + column));
    if (addends.bias != nullptr) sum = hn::Add(sum, bias);
    hn::BlendedStore(sum, inside, d, p.c.elements + (row + r) * p.c.ld + column);
  }
}

/// A tile of sums becomes that of C.
template <int kTile>
HWY_INLINE void FinishTile(const TiledProduct& p, int64_t row, int64_t column) {
  const bool whole = row + kTileRows <= p.M && column + kTileWords <= p.N;
  if (whole && p.addends.matrix == nullptr && p.addends.bias == nullptr) {
    return StoreTile<kTile>(p.c.elements + row * p.c.ld + column,
                            p.c.ld * static_cast<int64_t>(sizeof(float)));
  }
  alignas(64) std::array<float, kTileArea> sums;
  StoreTile<kTile>(sums.data(), kTileRowBytes);
  StoreSums(p, sums.data(), row, column);
}

/// Fetches the lines that the end of a piece of C reads and writes, which have its multiplications' time to arrive.
HWY_INLINE void FetchRowsOfPiece(const TiledProduct& p, int64_t row, int64_t rows, int64_t column) {
  for (int64_t r = row; r < std::min(p.M, row + rows); ++r) {
    __builtin_prefetch(p.c.elements + r * p.c.ld + column, 1, 3);
    __builtin_prefetch(p.c.elements + r * p.c.ld + column + kTileWords, 1, 3);
    if (p.addends.matrix != nullptr && p.addends.matrix != p.c.elements) {
      __builtin_prefetch(p.addends.matrix + r * p.addends.ld + column, 0, 3);
      __builtin_prefetch(p.addends.matrix + r * p.addends.ld + column + kTileWords, 0, 3);
    }
    for (int64_t line = 0; line < p.lines_per_row; ++line)
      __builtin_prefetch(p.fetch_rows + r * p.fetch_row_bytes + line * kTileRowBytes, 0, 3);
  }
}

/// Computes kDown x kAcross tiles of C, the first at (row, column).
template <int kDown, int kAcross>
HWY_NOINLINE void MultiplyPiece(const TiledProduct& p, int64_t row, int64_t column, const float* fetch,
                                int64_t fetch_lines) {
  FetchRowsOfPiece(p, row, kDown * kTileRows, column);
  const int64_t tile_of_rows = p.blocks * kTileArea;
  const float* a = p.a + row / kTileRows * tile_of_rows;
  const int64_t lines_at_once = (fetch_lines + p.blocks - 1) / p.blocks;
  ZeroTile<0>();
  if constexpr (kAcross == 2) ZeroTile<1>();
  if constexpr (kDown == 2) ZeroTile<2>();
  if constexpr (kDown == 2 && kAcross == 2) ZeroTile<3>();
  for (int64_t block = 0; block < p.blocks; ++block, a += kTileArea) {
    LoadTile<4>(a, kTileRowBytes);
    LoadRightTile<6>(p, block, column);
    MultiplyTiles<0, 4, 6>();
    if constexpr (kAcross == 2) {
      LoadRightTile<7>(p, block, column + kTileWords);
      MultiplyTiles<1, 4, 7>();
    }
    if constexpr (kDown == 2) {
      LoadTile<5>(a + tile_of_rows, kTileRowBytes);
      MultiplyTiles<2, 5, 6>();
      if constexpr (kAcross == 2) MultiplyTiles<3, 5, 7>();
    }
    for (int64_t line = 0; line < lines_at_once; ++line, fetch += kTileWords) __builtin_prefetch(fetch, 0, 2);
  }
  FinishTile<0>(p, row, column);
  if constexpr (kAcross == 2) FinishTile<1>(p, row, column + kTileWords);
  if constexpr (kDown == 2) FinishTile<2>(p, row + kTileRows, column);
  if constexpr (kDown == 2 && kAcross == 2) FinishTile<3>(p, row + kTileRows, column + kTileWords);
}

/// Computes all rows of kAcross tiles of columns.
template <int kAcross>
void MultiplyTiledColumns(const TiledProduct& p, int64_t column, int64_t fetch_lines) {
  const int64_t pairs = (p.M + 2 * kTileRows - 1) / (2 * kTileRows);
  const int64_t lines = (fetch_lines + pairs - 1) / pairs;
  for (int64_t i = 0; i < pairs; ++i) {
    const int64_t row = i * 2 * kTileRows;
    const int64_t first = std::min(fetch_lines, i * lines);
    const int64_t now = std::min(lines, fetch_lines - first);
    const float* fetch = p.fetch + first * kTileWords;
    if (p.M - row > kTileRows) {
      MultiplyPiece<2, kAcross>(p, row, column, fetch, now);
    } else {
      MultiplyPiece<1, kAcross>(p, row, column, fetch, now);
    }
  }
}

/// C = A B and the addends.
void MultiplyTiled(TiledProduct p) {
  const TileScope tiles;
  for (int64_t column = 0; column < p.N; column += 2 * kTileWords) {
    if (p.N - column > kTileWords) {
      MultiplyTiledColumns<2>(p, column, p.fetch_lines);
    } else {
      MultiplyTiledColumns<1>(p, column, p.fetch_lines);
    }
    p.fetch_lines = p.lines_per_row = 0;  // already prefetched
  }
}

#endif

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
