// SPDX-License-Identifier: Apache-2.0
#pragma once
// Copies of a product's operands in the order in which the kernel reads them, on the calling thread. They are
// made of words of the size of a float: one float32, or two bf16 of successive terms (a missing last one is
// 0).

#include <cstdint>

#include "libs/tensor/operand.h"
#include "libs/tensor/precision.h"
#include "libs/tensor/store.h"

namespace pretrain {

/// A matrix in memory: element (r, c) is that at r * row_stride + c * column_stride.
struct MatrixView {
  ConstOperand elements;  ///< from (0, 0) on
  int64_t row_stride = 0;
  int64_t column_stride = 1;

  MatrixView(const ConstOperand& rows, int64_t ld) : elements(rows), row_stride(ld) {}
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
    view.elements = elements.at(row * row_stride + column * column_stride);
    return view;
  }
};

/// Words that pack_rows() needs for M rows of K terms.
int64_t packed_row_words(Precision precision, int64_t M, int64_t K);

/// A, the left operand: for each tile of rows, the words of one column side by side.
/// Shapes: a [M, K]; packed [packed_row_words(precision, M, K)].
/// Requires: one of A's strides is 1; A in bf16 is packed in bf16.
void pack_rows(Precision precision, int64_t M, int64_t K, const MatrixView& a, float* packed);

/// B, the right operand: rows of words, `ld` apart. Rows are written in groups of four words at most: up to
/// three beyond the last column are overwritten.
/// Shapes: b [K, N]; packed [words_of(precision, K), ld].
/// Requires: as of A; ld >= N rounded up to a multiple of 4.
void pack_columns(Precision precision, int64_t K, int64_t N, const MatrixView& b, float* packed, int64_t ld);

/// Float32 in plain rows.
struct PlainRows {
  const float* elements = nullptr;  ///< [K, N]
  int64_t ld = 0;                   ///< distance of rows
  int64_t K = 0;
  int64_t N = 0;
};

/// The same for plain rows, and sums[n] (+)= sum over k of b[k, n], in order and before it is rounded.
/// Shapes: b [K, N], rows ld_b apart; sums [N].
void pack_columns_and_sum(Precision precision, const PlainRows& b, float* packed, int64_t ld, Store store,
                          float* sums);

}  // namespace pretrain
