// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/product_kernel.h"

#include <algorithm>
#include <array>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/product_kernel.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, and included once a target.
#include "libs/tensor/bf16_pairs-inl.h"
#include "libs/tensor/product_tiles-inl.h"
#include "libs/tensor/tile_product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

constexpr int64_t kFloatsPerLine = 16;
constexpr int64_t kBytesPerLine = 64;

// The kernel computes a tile of C of kMostRows rows by one panel (two vectors) of columns in registers: 6 x 2
// sums with the 16 registers of AVX2, 14 x 2 with the 32 of AVX-512, which leaves registers for the two
// vectors of B and one value of A.
//
// 512 words of a panel take 32 KiB with AVX2, so that a panel stays in the first-level cache while all tiles
// of a block use it; fewer words mean more passes over C. Tried: 192 to 1,024 words, no better or up to 9 %
// slower. A block of 66 or 70 rows is 11 or 5 whole tiles. Its rows of A stay in the second-level cache, and
// there are enough blocks to balance the threads. Tried: 36 to 192 rows, no better.
KernelShape Shape(Precision precision) {
#if PRETRAIN_BF16_TILES
  // Tiles multiply faster than a panel comes from beyond the second-level cache, so a block of 192 rows uses
  // it six times; with its 1,024 terms it takes all of a thread's scratch. Tried: 64 to 256 rows and 256 to 1,024
  // terms; fewer of either are up to 25 % slower.
  if (precision == Precision::kBf16 && HasBf16Tiles())
    return {.tile_rows = 2 * kTileRows, .panel_columns = 2 * kTileWords, .terms = 1024, .block_rows = 192};
#endif
  const int64_t columns = std::min<int64_t>(2 * hn::Lanes(hn::ScalableTag<float>()), kWidestPanel);
  return {.tile_rows = kMostRows,
          .panel_columns = columns,
          .terms = 512 * terms_per_word(precision),
          .block_rows = kMostRows == 6 ? 66 : 70};
}

// How words of the operands are multiplied and added to the sums. A word is 4 bytes: a float, or a pair of
// bf16. kPasses is the number of passes over a tile's rows.

/// Words that are multiplied without a conversion.
struct WholeWords {
  static constexpr int kPasses = 1;
  template <int kPass, class D>
  static hn::Vec<D> Factor(D, hn::Vec<D> word) {
    return word;
  }
};

struct Float32Words : WholeWords {
  template <class V>
  static V MulAdd(V a, V b, V sum) {
    return hn::MulAdd(a, b, sum);
  }
};

/// Pairs of bf16 that are widened to float32, for processors without the instruction. Two passes, because
/// both halves of B at once would need too many registers. The order of the products is that of the
/// instruction, so that results are equal.
struct WidenedPairs {
  static constexpr int kPasses = 2;
  template <int kPass, class D>
  static hn::Vec<D> Factor(D d, hn::Vec<D> word) {
    return kPass == 0 ? SecondOfPairs(d, word) : FirstOfPairs(d, word);
  }
  template <class V>
  static V MulAdd(V a, V b, V sum) {
    return hn::MulAdd(a, b, sum);
  }
};

#if PRETRAIN_BF16_INSTRUCTION
struct Pairs : WholeWords {
  template <class V>
  static V MulAdd(V a, V b, V sum) {
    return AddProductsOfPairs(a, b, sum);
  }
};
#else
using Pairs = WidenedPairs;
#endif

/// Operands of one tile; pointers are to its first element.
struct Tile {
  int64_t K;  ///< words of a sum
  const float* a;
  int64_t a_row = 1, a_column = 1;
  const float* b;
  int64_t ldb;
  float* c;
  int64_t ldc;
  Addends addends;
  const float* fetch;  ///< start of the lines to prefetch
  int64_t fetch_lines = 0;
  const char* fetch_rows = nullptr;  ///< rows whose lines are also prefetched
  int64_t fetch_row_bytes = 0;       ///< distance between these rows
  int64_t lines_per_row = 0;
};

/// The layout of A: contiguous rows, contiguous columns, or as pack_rows() writes it.
enum class A { kRows, kColumns, kPacked };

/// Addresses of kRows elements of one column of A. Three rows share a pointer, because an x86 address can add
/// one or two strides to it, while a pointer for each row would need too many registers.
template <A kA, int kRows>
class ColumnOfA {
 public:
  explicit ColumnOfA(const Tile& t) : stride_(kA == A::kRows ? t.a_row : 1), step_(Step(t)) {
    for (int i = 0; i < kPointers; ++i) pointers_[i] = t.a + int64_t{i} * kRowsPerPointer * stride_;
  }
  float operator[](int row) const {
    return pointers_[row / kRowsPerPointer][row % kRowsPerPointer * stride_];
  }
  void Next() {
    for (auto& pointer : pointers_) pointer += step_;
  }

 private:
  static constexpr int kRowsPerPointer = kA == A::kRows ? 3 : kRows;  // NOLINT(bugprone-branch-clone)
  static constexpr int kPointers = (kRows + kRowsPerPointer - 1) / kRowsPerPointer;
  static int64_t Step(const Tile& t) {
    if (kA == A::kRows) return 1;
    return kA == A::kColumns ? t.a_column : kPackedRows;
  }
  const float* pointers_[kPointers];
  int64_t stride_;
  int64_t step_;
};

/// Adds the products of one word to all sums: loads a vector of B once and multiplies it by each row's value
/// of A. The pragmas force full unrolling, without which GCC keeps the sums in memory.
template <class Words, int kPass, class Tag, int kVectors, A kA, int kRows>
HWY_INLINE void MultiplyWord(Tag d, const ColumnOfA<kA, kRows>& a, const float* b,
                             hn::Vec<Tag> (&sums)[kRows][kVectors]) {
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<Tag> columns[kVectors];
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) columns[v] = Words::template Factor<kPass>(d, hn::LoadU(d, b + v * N));
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const auto value = Words::template Factor<kPass>(d, hn::Set(d, a[r]));
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sums[r][v] = Words::MulAdd(value, columns[v], sums[r][v]);
  }
}

/// Computes kRows rows of C by kVectors vectors of columns. The sums stay in registers from the first to the
/// last word. Meanwhile it prefetches what is needed next: the lines of C, of the matrix to add, and of the
/// next panel of B, spread evenly over the words so that prefetches don't compete with loads.
template <class Words, class Tag, int kVectors, A kA, int kRows>
HWY_NOINLINE void MultiplyTile(const Tile& t) {
  const Tag d;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  ColumnOfA<kA, kRows> a(t);
  const float* b = t.b;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {  // C is only written at the end, so its lines have time to arrive
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) __builtin_prefetch(t.c + r * t.ldc + v * N, 1, 3);
  }
  if (t.addends.matrix != nullptr && t.addends.matrix != t.c) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v)
        __builtin_prefetch(t.addends.matrix + r * t.addends.ld + v * N, 0, 3);
    }
  }
  for (int64_t line = 0; line < t.lines_per_row; ++line) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
      __builtin_prefetch(t.fetch_rows + r * t.fetch_row_bytes + line * kBytesPerLine, 0, 3);
  }
  hn::Vec<Tag> sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::Zero(d);
  }
  const float* fetch = t.fetch;
  const int64_t piece = t.fetch_lines > 0 ? std::max<int64_t>(1, t.K / t.fetch_lines) : t.K;
  for (int64_t k = 0; k < t.K;) {
    const int64_t end = std::min(t.K, k + piece);
    __builtin_prefetch(fetch, 0, 2);
    fetch += kFloatsPerLine;
    for (; k < end; ++k) {
      MultiplyWord<Words, 0>(d, a, b, sums);
      if constexpr (Words::kPasses == 2) MultiplyWord<Words, 1>(d, a, b, sums);
      a.Next();
      b += t.ldb;
    }
  }
  const Addends addends = t.addends;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      auto sum = sums[r][v];
      if (addends.matrix != nullptr)
        sum = hn::Add(sum, hn::LoadU(d, addends.matrix + r * addends.ld + v * N));
      if (addends.bias != nullptr) sum = hn::Add(sum, hn::LoadU(d, addends.bias + v * N));
      hn::StoreU(sum, d, t.c + r * t.ldc + v * N);
    }
  }
}

/// The kernels for 1 to kMostRows rows, because the row count must be a constant for the sums to be
/// registers.
template <class Words, class Tag, int kVectors, A kA>
constexpr auto kTileKernels = []<int... kRows>(std::integer_sequence<int, kRows...>) {
  return std::array<void (*)(const Tile&), sizeof...(kRows)>{
      &MultiplyTile<Words, Tag, kVectors, kA, kRows + 1>...};
}
(std::make_integer_sequence<int, kMostRows>());

/// Computes all rows of one group of columns, tile by tile. `whole` has the operands of the whole product;
/// `column` is relative to its first column.
template <class Words, class Tag, int kVectors, A kA>
void MultiplyColumns(int64_t M, int64_t column, const Tile& whole) {
  const RowTiles tiles(M);
  const int64_t lines_per_tile = (whole.fetch_lines + tiles.count - 1) / tiles.count;
  Tile tile = whole;
  tile.b += column;
  if (tile.addends.bias != nullptr) tile.addends.bias += column;
  int64_t row = 0;
  // Sets the fields one by one: copying the whole struct would wait for the stores to the previous one (2 %).
  for (int64_t i = 0; i < tiles.count; ++i) {
    const int64_t first_line = std::min(i * lines_per_tile, whole.fetch_lines);
    tile.a = whole.a + (kA == A::kPacked ? i * kPackedRows * whole.K : row * whole.a_row);
    tile.c = whole.c + row * whole.ldc + column;
    if (whole.addends.matrix != nullptr)
      tile.addends.matrix = whole.addends.matrix + row * whole.addends.ld + column;
    tile.fetch = whole.fetch + first_line * kFloatsPerLine;
    tile.fetch_lines = std::min(lines_per_tile, whole.fetch_lines - first_line);
    tile.fetch_rows = whole.fetch_rows + row * whole.fetch_row_bytes;
    kTileKernels<Words, Tag, kVectors, kA>[static_cast<size_t>(tiles.rows(i) - 1)](tile);
    row += tiles.rows(i);
  }
}

/// Computes all of C: as many columns as possible two vectors at a time, the rest with narrower and narrower
/// vectors. Each element of C is the sum of its products in the same order, whatever the width.
template <class Words, A kA>
void MultiplyAll(int64_t M, int64_t N, Tile whole) {
  using Full = hn::ScalableTag<float>;
  const auto lanes = static_cast<int64_t>(hn::Lanes(Full()));
  int64_t n = 0;
  for (; n + 2 * lanes <= N; n += 2 * lanes) {
    MultiplyColumns<Words, Full, 2, kA>(M, n, whole);
    whole.fetch_lines = whole.lines_per_row = 0;  // already prefetched
  }
  for (; n + lanes <= N; n += lanes) MultiplyColumns<Words, Full, 1, kA>(M, n, whole);
  for (; n + 4 <= N; n += 4) MultiplyColumns<Words, hn::CappedTag<float, 4>, 1, kA>(M, n, whole);
  for (; n < N; ++n) MultiplyColumns<Words, hn::CappedTag<float, 1>, 1, kA>(M, n, whole);
}

/// The operands of a product, without the fields that depend on the layout of A.
Tile WholeProduct(int64_t K, const float* a, const RightRows& b, const ProductRows& c, const Addends& addends,
                  const ReadNext& next) {
  Tile whole{.K = K,
             .a = a,
             .b = b.words,
             .ldb = b.ld,
             .c = c.elements,
             .ldc = c.ld,
             .addends = addends,
             .fetch = b.words};
  if (next.panel != nullptr) {
    whole.fetch = next.panel;
    whole.fetch_lines = K * Shape(Precision::kFloat32).panel_columns / kFloatsPerLine;
  }
  if (next.rows) {
    next.rows.visit([&]<class T>(const T* rows) {
      whole.fetch_rows = reinterpret_cast<const char*>(rows);
      whole.fetch_row_bytes = next.ld * static_cast<int64_t>(sizeof(T));
      whole.lines_per_row =
          (next.columns * static_cast<int64_t>(sizeof(T)) + kBytesPerLine - 1) / kBytesPerLine;
    });
  }
  return whole;
}

void Multiply(const ProductSize& size, const MatrixView& a, const RightRows& b, const ProductRows& c,
              const Addends& addends, const ReadNext& next) {
  Tile whole = WholeProduct(size.K, a.elements.floats(), b, c, addends, next);
  whole.a_row = a.row_stride;
  whole.a_column = a.column_stride;
  if (a.column_stride == 1) {
    MultiplyAll<Float32Words, A::kRows>(size.M, size.N, whole);
  } else {
    MultiplyAll<Float32Words, A::kColumns>(size.M, size.N, whole);
  }
}

#if PRETRAIN_BF16_TILES
TiledProduct WholeTiledProduct(const ProductSize& size, const Tile& whole) {
  return {.M = size.M,
          .N = size.N,
          .words = whole.K,
          .blocks = (whole.K + kTileWords - 1) / kTileWords,
          .a = whole.a,
          .b = {whole.b, whole.ldb},
          .c = {whole.c, whole.ldc},
          .addends = whole.addends,
          .fetch = whole.fetch,
          .fetch_lines = whole.fetch_lines,
          .fetch_rows = whole.fetch_rows,
          .fetch_row_bytes = whole.fetch_row_bytes,
          .lines_per_row = whole.lines_per_row};
}
#endif

void MultiplyPacked(Precision precision, const ProductSize& size, const float* a, const RightRows& b,
                    const ProductRows& c, const Addends& addends, const ReadNext& next) {
  const Tile whole = WholeProduct(words_of(precision, size.K), a, b, c, addends, next);
#if PRETRAIN_BF16_TILES
  if (precision == Precision::kBf16 && HasBf16Tiles()) return MultiplyTiled(WholeTiledProduct(size, whole));
#endif
  if (precision == Precision::kFloat32) {
    MultiplyAll<Float32Words, A::kPacked>(size.M, size.N, whole);
  } else if (HasBf16Instruction()) {
    MultiplyAll<Pairs, A::kPacked>(size.M, size.N, whole);
  } else {
    MultiplyAll<WidenedPairs, A::kPacked>(size.M, size.N, whole);
  }
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(Multiply);
HWY_EXPORT(MultiplyPacked);
HWY_EXPORT(Shape);

KernelShape kernel_shape(Precision precision) {
  return HWY_DYNAMIC_DISPATCH(Shape)(precision);
}

void multiply(const ProductSize& size, const MatrixView& a, const RightRows& b, const ProductRows& c,
              const Addends& addends, const ReadNext& next) {
  if (size.M > 0) HWY_DYNAMIC_DISPATCH(Multiply)(size, a, b, c, addends, next);
}

void multiply_packed(Precision precision, const ProductSize& size, const float* packed_a, const RightRows& b,
                     const ProductRows& c, const Addends& addends, const ReadNext& next) {
  if (size.M > 0) HWY_DYNAMIC_DISPATCH(MultiplyPacked)(precision, size, packed_a, b, c, addends, next);
}

}  // namespace pretrain
#endif  // HWY_ONCE
