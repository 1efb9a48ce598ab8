// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the kernels of a matrix product read and write.

#include <cstdint>

#include "libs/tensor/operand.h"

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

}  // namespace pretrain
