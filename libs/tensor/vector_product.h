// SPDX-License-Identifier: Apache-2.0
#pragma once
// Products of one row with a matrix, for generation: bound by reading the weights once, so they are not
// packed.

#include <cstdint>

#include "libs/tensor/compute.h"

namespace pretrain {

/// y = x W (+ bias), in parts of the sum that are as long as the shape says and are added in order.
/// Shapes: x [K]; W [K, N]; bias, y [N]; bias may be null; scratch [vector_product_scratch_floats(K, N)].
/// Aliasing: y may be x.
/// Repeatability: bit-identical for any number of threads.
void vector_times_matrix(Compute& compute, const float* x, const float* W, const float* bias, int64_t K,
                         int64_t N, float* scratch, float* y);
size_t vector_product_scratch_floats(int64_t K, int64_t N);

/// y = W x.
/// Shapes: W [N, K]; x [K]; y [N].
void matrix_times_vector(Compute& compute, const float* W, const float* x, int64_t N, int64_t K, float* y);

/// out = softmax(scale * q keys^T) values over `count` cached positions, one head.
/// Shapes: q, out [D]; keys, values [count, D] with row distance ld; scores [count] is scratch.
void attend_cached(const float* q, const float* keys, const float* values, int64_t ld, int64_t count,
                   int64_t D, float* scores, float* out);

}  // namespace pretrain
