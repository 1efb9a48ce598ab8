// SPDX-License-Identifier: Apache-2.0
#pragma once
// The innermost part of every matrix product: one thread, a few rows by two vectors of columns in registers.

#include <cstdint>

#include "libs/tensor/precision.h"
#include "libs/tensor/product_packing.h"

namespace pretrain {

/// What is added to a product before it is stored. Null: nothing.
struct Addends {
  const float* matrix = nullptr;  ///< [M, N], rows ld apart; may be C itself
  int64_t ld = 0;
  const float* bias = nullptr;  ///< [N]
};

/// What is fetched into the cache during a product since it is read soon after it. Null or empty: nothing.
struct ReadNext {
  const float* panel = nullptr;  ///< dense rows of words [words_of(precision, K), panel_columns]
  ConstOperand rows = {};  ///< [M, columns], rows ld apart; only during products of panel_columns and more
  int64_t ld = 0;
  int64_t columns = 0;
};

/// How a processor's kernel likes its operands. The sizes are part of a result's bits only through `terms`.
struct KernelShape {
  int64_t tile_rows;      ///< rows of C that are summed in registers at once
  int64_t panel_columns;  ///< columns of C computed at once: two vectors
  int64_t terms;          ///< of a sum that are added before the next panel of B
  int64_t block_rows;     ///< of a copied A, `terms` long, that stay in the second-level cache: whole tiles
};

/// Of the processor's best kernel.
KernelShape kernel_shape(Precision precision);

/// On every processor panel_columns divides this.
constexpr int64_t kWidestPanel = 32;

/// Of C[M, N] = A[M, K] B[K, N].
struct ProductSize {
  int64_t M, N, K;
};

/// B: float32, or words from pack_columns().
struct RightRows {
  const float* words;
  int64_t ld;  ///< distance of rows
};

/// C.
struct ProductRows {
  float* elements;
  int64_t ld;  ///< distance of rows
};

/// C = A B and the addends, on the calling thread, for operands in cache. Meanwhile it
/// fetches `next`.
/// Requires: one of A's strides is 1; A is float32.
/// Aliasing: c overlaps neither a nor b.
/// Repeatability: each element is one chain of multiply-adds over k in order, so that its bits do not depend
/// on how a larger product was cut into M and N.
void multiply(const ProductSize& size, const MatrixView& a, const RightRows& b, const ProductRows& c,
              const Addends& addends = {}, const ReadNext& next = {});

/// multiply() for operands from pack_rows() and pack_columns(); each element is one chain in either
/// precision.
void multiply_packed(Precision precision, const ProductSize& size, const float* packed_a, const RightRows& b,
                     const ProductRows& c, const Addends& addends = {}, const ReadNext& next = {});

}  // namespace pretrain
