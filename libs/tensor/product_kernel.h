// SPDX-License-Identifier: Apache-2.0
#pragma once
// The innermost part of every matrix product: one thread, a few rows by two vectors of columns in registers.

#include <cstdint>

#include "libs/tensor/precision.h"
#include "libs/tensor/product_operands.h"
#include "libs/tensor/product_packing.h"

namespace pretrain {

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
