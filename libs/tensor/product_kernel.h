#pragma once
// The innermost part of every matrix product: one thread, a few rows by two vectors of columns in registers.

#include <cstdint>

namespace pretrain {

/// A matrix in memory: element (r, c) stands at data[r * row_stride + c * column_stride].
struct MatrixView {
  const float* data = nullptr;
  int64_t row_stride = 0;
  int64_t column_stride = 1;

  MatrixView(const float* rows, int64_t ld) : data(rows), row_stride(ld) {}
  /// The transpose, in the same memory.
  MatrixView transposed() const {
    MatrixView view = *this;
    view.row_stride = column_stride;
    view.column_stride = row_stride;
    return view;
  }
  /// From element (row, column) on.
  MatrixView at(int64_t row, int64_t column) const {
    MatrixView view = *this;
    view.data += row * row_stride + column * column_stride;
    return view;
  }
};

/// What is added to a product before it is stored. Null: nothing.
struct Addends {
  const float* matrix = nullptr;  ///< [M, N], rows ld apart; may be C itself
  int64_t ld = 0;
  const float* bias = nullptr;  ///< [N]
};

/// C[M, N] = A[M, K] B[K, N] and the addends, on the calling thread, for operands in cache. Meanwhile it
/// fetches `next_panel`, a dense [K, kPanelColumns] that is multiplied next, into the second-level cache.
/// Shapes: b rows ldb apart, c rows ldc apart. Requires: one of A's strides is 1.
/// Aliasing: c overlaps neither a nor b.
/// Repeatability: each element is one chain of multiply-adds over k in order, so that its bits do not depend
/// on how a larger product was cut into M and N.
void multiply(int64_t M, int64_t N, int64_t K, const MatrixView& a, const float* b, int64_t ldb, float* c,
              int64_t ldc, const Addends& addends = {}, const float* next_panel = nullptr);

/// Columns of a panel of B: on every processor a whole number of vectors.
constexpr int64_t kPanelColumns = 32;

/// A row of C takes its factors from one cache line of a packed A.
constexpr int64_t kPackedLine = 16;

/// Floats that pack_transposed_rows() needs for M rows.
constexpr int64_t packed_floats(int64_t M, int64_t K) {
  constexpr int64_t kFewestRows = 6;
  return (M + kFewestRows - 1) / kFewestRows * kPackedLine * K;
}

/// Copies the A of a product into the order in which multiply_packed() reads it, for an A that is the
/// transpose of plain rows: read in place, each of its elements would be in another line than the next.
/// Shapes: a_transposed [K, M], rows ld apart.
void pack_transposed_rows(int64_t M, int64_t K, const float* a_transposed, int64_t ld, float* packed);

/// multiply() for an A from pack_transposed_rows().
void multiply_packed(int64_t M, int64_t N, int64_t K, const float* packed_a, const float* b, int64_t ldb,
                     float* c, int64_t ldc, const Addends& addends = {}, const float* next_panel = nullptr);

}  // namespace pretrain
