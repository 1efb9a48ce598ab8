// SPDX-License-Identifier: Apache-2.0
#pragma once
// Slow double-precision version of orthogonalize(), on the matrix itself instead of its Gram matrix.

#include <cstdint>

#include "libs/tensor/reference/ops.h"

namespace pretrain::reference {

/// X <- a X + b X X^T X + c (X X^T)^2 X for each of orthogonal_steps(), from x / bound on. With singular values
/// s of x, bound = (sum s^8)^(1/8), which is no less than the largest. Zero for zero.
/// Shapes: x [rows, columns].
Matrix orthogonal(const Matrix& x, int64_t rows, int64_t columns);

}  // namespace pretrain::reference
