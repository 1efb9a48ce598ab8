// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sums of arrays whose elements are bf16 in the place of float32, so that they can be sent in half the bytes. The same
// bits for any number of threads and any cut of the arrays.

#include <cstddef>

#include "libs/tensor/compute.h"
#include "libs/tensor/precision.h"

namespace pretrain {

/// values[i] to the nearest bf16, ties to even. NaN stays NaN; denormal numbers may become zero.
void round_to_bf16(Compute& compute, size_t count, float* values);

/// sums[i] += x[i], rounded to float32 and then to bf16 as above.
void add_rounded_to_bf16(Compute& compute, const float* x, size_t count, float* sums);

/// The upper halves of float32.
/// Requires: values that round_to_bf16() or add_rounded_to_bf16() gave; so nothing is lost.
void to_bf16(Compute& compute, const float* values, size_t count, Bf16* halves);
void from_bf16(Compute& compute, const Bf16* halves, size_t count, float* values);

}  // namespace pretrain
