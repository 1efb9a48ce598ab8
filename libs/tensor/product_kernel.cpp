#include "libs/tensor/product_kernel.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/product_kernel.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Sums of 14 rows by 2 vectors fill 28 of the 32 registers of AVX-512 and Arm; older x86 has 16. A packed
// column of a tile of A takes kPackedRows floats: a cache line where the rows nearly fill it.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
constexpr int64_t kMostRows = 6;
constexpr int64_t kPackedRows = 6;
#else
constexpr int64_t kMostRows = 14;
constexpr int64_t kPackedRows = 16;
#endif
constexpr int64_t kFloatsPerLine = 16;

KernelShape Shape() {
  const int64_t columns = std::min<int64_t>(2 * hn::Lanes(hn::ScalableTag<float>()), kWidestPanel);
  if (kMostRows == 6) {
    return {.tile_rows = 6,
            .panel_columns = columns,
            .terms = 512,
            .block_rows = 66,
            .packed_block_rows = 66,
            .packs_rows = true};
  }
  return {.tile_rows = 14,
          .panel_columns = columns,
          .terms = 512,
          .block_rows = 256,
          .packed_block_rows = 64,
          .packs_rows = false};
}

/// M rows in tiles of nearly equal height: a last tile of one or two rows would be slow.
struct RowTiles {
  explicit RowTiles(int64_t M) : count((M + kMostRows - 1) / kMostRows), low(M / count), higher(M % count) {}
  int64_t rows(int64_t tile) const { return low + (tile < higher ? 1 : 0); }
  int64_t count;
  int64_t low;
  int64_t higher;  ///< so many tiles, the first ones, are one row higher
};

/// Operands of one tile; pointers stand at its first element.
struct Tile {
  int64_t K;
  const float* a;
  int64_t a_row = 1, a_column = 1;
  const float* b;
  int64_t ldb;
  float* c;
  int64_t ldc;
  Addends addends;
  const float* fetch;  ///< lines from here on are fetched
  int64_t fetch_lines = 0;
};

/// How the elements of A lie: rows or columns without gaps, or as pack_rows() writes them.
enum class A { kRows, kColumns, kPacked };

/// Where kRows elements of one column of A are. Three rows share a pointer: the processor's addresses add one
/// or two strides to it, while a pointer a row would need more registers than there are.
template <A kA, int kRows>
class ColumnOfA {
 public:
  explicit ColumnOfA(const Tile& t) : stride_(kA == A::kRows ? t.a_row : 1), step_(Step(t)) {
    for (int i = 0; i < kPointers; ++i) pointers_[i] = t.a + i * kRowsPerPointer * stride_;
  }
  float operator[](int row) const {
    return pointers_[row / kRowsPerPointer][row % kRowsPerPointer * stride_];
  }
  void Next() {
    for (auto& pointer : pointers_) pointer += step_;
  }

 private:
  static constexpr int kRowsPerPointer = kA == A::kRows ? 3 : kRows;
  static constexpr int kPointers = (kRows + kRowsPerPointer - 1) / kRowsPerPointer;
  static int64_t Step(const Tile& t) {
    if (kA == A::kRows) return 1;
    return kA == A::kColumns ? t.a_column : kPackedRows;
  }
  const float* pointers_[kPointers];
  int64_t stride_;
  int64_t step_;
};

/// kRows rows of C by kVectors vectors of columns.
template <class Tag, int kVectors, A kA, int kRows>
HWY_NOINLINE void MultiplyTile(const Tile& t) {
  const Tag d;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  ColumnOfA<kA, kRows> a(t);
  const float* b = t.b;
  for (int r = 0; r < kRows; ++r) {  // C is written last: its lines arrive while the sums grow
    for (int v = 0; v < kVectors; ++v) __builtin_prefetch(t.c + r * t.ldc + v * N, 1, 3);
  }
  hn::Vec<Tag> sums[kRows][kVectors];
  for (auto& row : sums) {
    for (auto& sum : row) sum = hn::Zero(d);
  }
  const float* fetch = t.fetch;
  const int64_t piece = t.fetch_lines > 0 ? std::max<int64_t>(1, t.K / t.fetch_lines) : t.K;
  for (int64_t k = 0; k < t.K;) {
    const int64_t end = std::min(t.K, k + piece);
    __builtin_prefetch(fetch, 0, 2);
    fetch += kFloatsPerLine;
    for (; k < end; ++k) {
      hn::Vec<Tag> columns[kVectors];
      for (int v = 0; v < kVectors; ++v) columns[v] = hn::LoadU(d, b + v * N);
      for (int r = 0; r < kRows; ++r) {
        const auto value = hn::Set(d, a[r]);
        for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(value, columns[v], sums[r][v]);
      }
      a.Next();
      b += t.ldb;
    }
  }
  const Addends addends = t.addends;
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      auto sum = sums[r][v];
      if (addends.matrix != nullptr)
        sum = hn::Add(sum, hn::LoadU(d, addends.matrix + r * addends.ld + v * N));
      if (addends.bias != nullptr) sum = hn::Add(sum, hn::LoadU(d, addends.bias + v * N));
      hn::StoreU(sum, d, t.c + r * t.ldc + v * N);
    }
  }
}

/// The kernels for 1 to kMostRows rows.
template <class Tag, int kVectors, A kA>
constexpr auto kTileKernels = []<int... kRows>(std::integer_sequence<int, kRows...>) {
  return std::array<void (*)(const Tile&), sizeof...(kRows)>{&MultiplyTile<Tag, kVectors, kA, kRows + 1>...};
}
(std::make_integer_sequence<int, kMostRows>());

/// All rows of one group of columns. `whole` has the operands of the whole product; `column` counts from its
/// first one.
template <class Tag, int kVectors, A kA>
void MultiplyColumns(int64_t M, int64_t column, const Tile& whole) {
  const RowTiles tiles(M);
  const int64_t lines_per_tile = (whole.fetch_lines + tiles.count - 1) / tiles.count;
  int64_t row = 0;
  for (int64_t i = 0; i < tiles.count; ++i) {
    const int64_t first_line = std::min(i * lines_per_tile, whole.fetch_lines);
    Tile tile = whole;
    tile.a += kA == A::kPacked ? i * kPackedRows * whole.K : row * whole.a_row;
    tile.b += column;
    tile.c += row * whole.ldc + column;
    if (tile.addends.matrix != nullptr) tile.addends.matrix += row * whole.addends.ld + column;
    if (tile.addends.bias != nullptr) tile.addends.bias += column;
    tile.fetch += first_line * kFloatsPerLine;
    tile.fetch_lines = std::min(lines_per_tile, whole.fetch_lines - first_line);
    kTileKernels<Tag, kVectors, kA>[static_cast<size_t>(tiles.rows(i) - 1)](tile);
    row += tiles.rows(i);
  }
}

template <A kA>
void MultiplyAll(int64_t M, int64_t N, Tile whole) {
  using Full = hn::ScalableTag<float>;
  const auto lanes = static_cast<int64_t>(hn::Lanes(Full()));
  int64_t n = 0;
  for (; n + 2 * lanes <= N; n += 2 * lanes) {
    MultiplyColumns<Full, 2, kA>(M, n, whole);
    whole.fetch_lines = 0;  // fetched by now
  }
  for (; n + lanes <= N; n += lanes) MultiplyColumns<Full, 1, kA>(M, n, whole);
  for (; n + 4 <= N; n += 4) MultiplyColumns<hn::CappedTag<float, 4>, 1, kA>(M, n, whole);
  for (; n < N; ++n) MultiplyColumns<hn::CappedTag<float, 1>, 1, kA>(M, n, whole);
}

/// A product with its operands, but for what depends on the order of A.
Tile WholeProduct(int64_t K, const float* a, const float* b, int64_t ldb, float* c, int64_t ldc,
                  const Addends& addends, const float* next_panel) {
  Tile whole{.K = K, .a = a, .b = b, .ldb = ldb, .c = c, .ldc = ldc, .addends = addends, .fetch = b};
  if (next_panel != nullptr) {
    whole.fetch = next_panel;
    whole.fetch_lines = K * Shape().panel_columns / kFloatsPerLine;
  }
  return whole;
}

void Multiply(int64_t M, int64_t N, int64_t K, const MatrixView& a, const float* b, int64_t ldb, float* c,
              int64_t ldc, const Addends& addends, const float* next_panel) {
  Tile whole = WholeProduct(K, a.data, b, ldb, c, ldc, addends, next_panel);
  whole.a_row = a.row_stride;
  whole.a_column = a.column_stride;
  if (a.column_stride == 1) {
    MultiplyAll<A::kRows>(M, N, whole);
  } else {
    MultiplyAll<A::kColumns>(M, N, whole);
  }
}

void MultiplyPacked(int64_t M, int64_t N, int64_t K, const float* a, const float* b, int64_t ldb, float* c,
                    int64_t ldc, const Addends& addends, const float* next_panel) {
  MultiplyAll<A::kPacked>(M, N, WholeProduct(K, a, b, ldb, c, ldc, addends, next_panel));
}

int64_t PackedFloats(int64_t M, int64_t K) {
  return RowTiles(M).count * kPackedRows * K +
         kPackedRows;  // whole vectors are stored, beyond the last column
}

/// K columns of one tile of A, which stand in rows of a_transposed, `there` floats of which may be read.
void PackColumnsOfTile(int64_t rows, int64_t there, int64_t K, const float* a_transposed, int64_t ld,
                       float* to) {
  const hn::CappedTag<float, 8> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t whole = (rows + lanes - 1) / lanes * lanes;
  int64_t k = 0;
  if (whole <= there && whole < 2 * kPackedRows) {  // what a vector has too much, the next column overwrites
    for (; k + 1 < K; ++k) {
      for (int64_t r = 0; r < whole; r += lanes)
        hn::StoreU(hn::LoadU(d, a_transposed + k * ld + r), d, to + k * kPackedRows + r);
    }
  }
  for (; k < K; ++k) {
    std::memcpy(to + k * kPackedRows, a_transposed + k * ld, static_cast<size_t>(rows) * sizeof(float));
  }
}

/// Columns [0, K) of up to four rows of A -> elements side by side. Stores four floats a column, always.
void PackFourRows(int64_t rows, int64_t K, const float* a, int64_t ld, float* to) {
  int64_t k = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<float, 4> d;
  const float* row1 = a + std::min<int64_t>(1, rows - 1) * ld;
  const float* row2 = a + std::min<int64_t>(2, rows - 1) * ld;
  const float* row3 = a + std::min<int64_t>(3, rows - 1) * ld;
  for (; k + 4 <= K; k += 4) {
    const auto r0 = hn::LoadU(d, a + k);
    const auto r1 = hn::LoadU(d, row1 + k);
    const auto r2 = hn::LoadU(d, row2 + k);
    const auto r3 = hn::LoadU(d, row3 + k);
    const auto low02 = hn::InterleaveLower(d, r0, r2);
    const auto low13 = hn::InterleaveLower(d, r1, r3);
    const auto high02 = hn::InterleaveUpper(d, r0, r2);
    const auto high13 = hn::InterleaveUpper(d, r1, r3);
    float* out = to + k * kPackedRows;
    hn::StoreU(hn::InterleaveLower(d, low02, low13), d, out);
    hn::StoreU(hn::InterleaveUpper(d, low02, low13), d, out + kPackedRows);
    hn::StoreU(hn::InterleaveLower(d, high02, high13), d, out + 2 * kPackedRows);
    hn::StoreU(hn::InterleaveUpper(d, high02, high13), d, out + 3 * kPackedRows);
  }
#endif
  for (; k < K; ++k) {
    for (int64_t r = 0; r < rows; ++r) to[k * kPackedRows + r] = a[r * ld + k];
  }
}

/// One tile of plain rows, the last ones first: what their vectors have too much, the first ones overwrite.
void PackRowsOfTile(int64_t rows, int64_t K, const float* a, int64_t ld, float* to) {
  for (int64_t r = (rows - 1) / 4 * 4; r >= 0; r -= 4)
    PackFourRows(std::min<int64_t>(4, rows - r), K, a + r * ld, ld, to + r);
}

/// A^T a few of its rows at a time, so that their cache lines are there for all tiles.
void PackColumns(int64_t M, int64_t K, const float* a_transposed, int64_t ld, float* packed) {
  constexpr int64_t kRowsAtOnce = 16;
  const RowTiles tiles(M);
  for (int64_t k = 0; k < K; k += kRowsAtOnce) {
    int64_t row = 0;
    for (int64_t i = 0; i < tiles.count; ++i) {
      PackColumnsOfTile(tiles.rows(i), M - row, std::min(kRowsAtOnce, K - k), a_transposed + k * ld + row, ld,
                        packed + (i * K + k) * kPackedRows);
      row += tiles.rows(i);
    }
  }
}

void PackRows(int64_t M, int64_t K, const MatrixView& a, float* packed) {
  if (a.column_stride != 1) return PackColumns(M, K, a.data, a.column_stride, packed);
  const RowTiles tiles(M);
  int64_t row = 0;
  for (int64_t i = 0; i < tiles.count; ++i) {
    PackRowsOfTile(tiles.rows(i), K, a.data + row * a.row_stride, a.row_stride, packed + i * kPackedRows * K);
    row += tiles.rows(i);
  }
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(Multiply);
HWY_EXPORT(MultiplyPacked);
HWY_EXPORT(PackRows);
HWY_EXPORT(PackedFloats);
HWY_EXPORT(Shape);

KernelShape kernel_shape() {
  return HWY_DYNAMIC_DISPATCH(Shape)();
}

int64_t packed_floats(int64_t M, int64_t K) {
  return M == 0 ? 0 : HWY_DYNAMIC_DISPATCH(PackedFloats)(M, K);
}

void multiply(int64_t M, int64_t N, int64_t K, const MatrixView& a, const float* b, int64_t ldb, float* c,
              int64_t ldc, const Addends& addends, const float* next_panel) {
  if (M > 0) HWY_DYNAMIC_DISPATCH(Multiply)(M, N, K, a, b, ldb, c, ldc, addends, next_panel);
}

void multiply_packed(int64_t M, int64_t N, int64_t K, const float* packed_a, const float* b, int64_t ldb,
                     float* c, int64_t ldc, const Addends& addends, const float* next_panel) {
  if (M > 0) HWY_DYNAMIC_DISPATCH(MultiplyPacked)(M, N, K, packed_a, b, ldb, c, ldc, addends, next_panel);
}

void pack_rows(int64_t M, int64_t K, const MatrixView& a, float* packed) {
  if (M > 0) HWY_DYNAMIC_DISPATCH(PackRows)(M, K, a, packed);
}

}  // namespace pretrain
#endif  // HWY_ONCE
