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

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

constexpr int64_t kFloatsPerLine = 16;
constexpr int64_t kBytesPerLine = 64;

KernelShape Shape(Precision precision) {
  const int64_t columns = std::min<int64_t>(2 * hn::Lanes(hn::ScalableTag<float>()), kWidestPanel);
  return {.tile_rows = kMostRows,
          .panel_columns = columns,
          .terms = 512 * terms_per_word(precision),
          .block_rows = kMostRows == 6 ? 66 : 70};
}

// How the words of the operands are multiplied and added to the sums, in so many passes over a tile's rows.

/// What multiplies words as they are.
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

/// Pairs of bf16 as float32. In two passes, since both halves of B at once would need more registers than
/// there are; in the order of the instruction.
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

/// Operands of one tile; pointers stand at its first element.
struct Tile {
  int64_t K;  ///< words of a sum
  const float* a;
  int64_t a_row = 1, a_column = 1;
  const float* b;
  int64_t ldb;
  float* c;
  int64_t ldc;
  Addends addends;
  const float* fetch;  ///< lines from here on are fetched
  int64_t fetch_lines = 0;
  const char* fetch_rows = nullptr;  ///< lines of each of these rows are fetched, too
  int64_t fetch_row_bytes = 0;       ///< from one to the next
  int64_t lines_per_row = 0;
};

/// How the elements of A lie: rows or columns without gaps, or as pack_rows() writes them.
enum class A { kRows, kColumns, kPacked };

/// Where kRows elements of one column of A are. Three rows share a pointer: the processor's addresses add one
/// or two strides to it, while a pointer a row would need more registers than there are.
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

/// Adds the products of one word of the sums.
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

/// kRows rows of C by kVectors vectors of columns.
template <class Words, class Tag, int kVectors, A kA, int kRows>
HWY_NOINLINE void MultiplyTile(const Tile& t) {
  const Tag d;
  const auto N = static_cast<int64_t>(hn::Lanes(d));
  ColumnOfA<kA, kRows> a(t);
  const float* b = t.b;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {  // C is written last: its lines arrive while the sums grow
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

/// The kernels for 1 to kMostRows rows.
template <class Words, class Tag, int kVectors, A kA>
constexpr auto kTileKernels = []<int... kRows>(std::integer_sequence<int, kRows...>) {
  return std::array<void (*)(const Tile&), sizeof...(kRows)>{
      &MultiplyTile<Words, Tag, kVectors, kA, kRows + 1>...};
}
(std::make_integer_sequence<int, kMostRows>());

/// All rows of one group of columns. `whole` has the operands of the whole product; `column` counts from its
/// first one.
template <class Words, class Tag, int kVectors, A kA>
void MultiplyColumns(int64_t M, int64_t column, const Tile& whole) {
  const RowTiles tiles(M);
  const int64_t lines_per_tile = (whole.fetch_lines + tiles.count - 1) / tiles.count;
  Tile tile = whole;
  tile.b += column;
  if (tile.addends.bias != nullptr) tile.addends.bias += column;
  int64_t row = 0;
  for (int64_t i = 0; i < tiles.count; ++i) {  // field by field: copying all would wait for the last stores
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

template <class Words, A kA>
void MultiplyAll(int64_t M, int64_t N, Tile whole) {
  using Full = hn::ScalableTag<float>;
  const auto lanes = static_cast<int64_t>(hn::Lanes(Full()));
  int64_t n = 0;
  for (; n + 2 * lanes <= N; n += 2 * lanes) {
    MultiplyColumns<Words, Full, 2, kA>(M, n, whole);
    whole.fetch_lines = whole.lines_per_row = 0;  // fetched by now
  }
  for (; n + lanes <= N; n += lanes) MultiplyColumns<Words, Full, 1, kA>(M, n, whole);
  for (; n + 4 <= N; n += 4) MultiplyColumns<Words, hn::CappedTag<float, 4>, 1, kA>(M, n, whole);
  for (; n < N; ++n) MultiplyColumns<Words, hn::CappedTag<float, 1>, 1, kA>(M, n, whole);
}

/// A product with its operands, but for what depends on the order of A.
Tile WholeProduct(int64_t K, const float* a, const float* b, int64_t ldb, float* c, int64_t ldc,
                  const Addends& addends, const ReadNext& next) {
  Tile whole{.K = K, .a = a, .b = b, .ldb = ldb, .c = c, .ldc = ldc, .addends = addends, .fetch = b};
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

void Multiply(int64_t M, int64_t N, int64_t K, const MatrixView& a, const float* b, int64_t ldb, float* c,
              int64_t ldc, const Addends& addends, const ReadNext& next) {
  Tile whole = WholeProduct(K, a.elements.floats(), b, ldb, c, ldc, addends, next);
  whole.a_row = a.row_stride;
  whole.a_column = a.column_stride;
  if (a.column_stride == 1) {
    MultiplyAll<Float32Words, A::kRows>(M, N, whole);
  } else {
    MultiplyAll<Float32Words, A::kColumns>(M, N, whole);
  }
}

void MultiplyPacked(Precision precision, int64_t M, int64_t N, int64_t K, const float* a, const float* b,
                    int64_t ldb, float* c, int64_t ldc, const Addends& addends, const ReadNext& next) {
  const Tile whole = WholeProduct(words_of(precision, K), a, b, ldb, c, ldc, addends, next);
  if (precision == Precision::kFloat32) {
    MultiplyAll<Float32Words, A::kPacked>(M, N, whole);
  } else if (HasBf16Instruction()) {
    MultiplyAll<Pairs, A::kPacked>(M, N, whole);
  } else {
    MultiplyAll<WidenedPairs, A::kPacked>(M, N, whole);
  }
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(Multiply);
HWY_EXPORT(MultiplyPacked);
HWY_EXPORT(Shape);
HWY_EXPORT(HasBf16Instruction);

std::string_view precision_name(Precision precision) {
  return precision == Precision::kBf16 ? "bf16" : "f32";
}

std::optional<Precision> find_precision(std::string_view name) {
  for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
    if (name == precision_name(precision)) return precision;
  }
  return std::nullopt;
}

bool multiplies_bf16() {
  return HWY_DYNAMIC_DISPATCH(HasBf16Instruction)();
}

KernelShape kernel_shape(Precision precision) {
  return HWY_DYNAMIC_DISPATCH(Shape)(precision);
}

void multiply(int64_t M, int64_t N, int64_t K, const MatrixView& a, const float* b, int64_t ldb, float* c,
              int64_t ldc, const Addends& addends, const ReadNext& next) {
  if (M > 0) HWY_DYNAMIC_DISPATCH(Multiply)(M, N, K, a, b, ldb, c, ldc, addends, next);
}

void multiply_packed(Precision precision, int64_t M, int64_t N, int64_t K, const float* packed_a,
                     const float* packed_b, int64_t ldb, float* c, int64_t ldc, const Addends& addends,
                     const ReadNext& next) {
  if (M > 0) {
    HWY_DYNAMIC_DISPATCH(MultiplyPacked)
    (precision, M, N, K, packed_a, packed_b, ldb, c, ldc, addends, next);
  }
}

}  // namespace pretrain
#endif  // HWY_ONCE
