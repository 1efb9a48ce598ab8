// SPDX-License-Identifier: Apache-2.0
#pragma once
// The GELU activation in its tanh form, as GPT-2 uses it.
// Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", section 2.

#include <cstddef>
#include <cstdint>

#include "libs/tensor/compute.h"
#include "libs/tensor/operand.h"

namespace pretrain {

/// out = 0.5 x (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3).
/// Shapes: x, out [count].
/// Requires: x and out in the same precision.
/// Aliasing: out may be x.
void gelu_forward(Compute& compute, const ConstOperand& x, size_t count, const Operand& out);

/// dx = dy * (0.5 (1 + tanh u) + 0.5 x (1 - tanh^2 u) u'), u' = sqrt(2/pi) (1 + 3 * 0.044715 x^2).
/// Shapes: x, dy, dx [count].
/// Aliasing: dx may be dy.
void gelu_backward(Compute& compute, const ConstOperand& x, const float* dy, size_t count, float* dx);

/// The same for blocks [rows, columns], rows `ld` apart, on the calling thread. The backward one also writes
/// gelu(x) to `out`, if given: it costs no second exponential.
/// Requires: x and out in the same precision.
void gelu_forward_block(int64_t rows, int64_t columns, int64_t ld, const ConstOperand& x, const Operand& out);
void gelu_backward_block(int64_t rows, int64_t columns, int64_t ld, const ConstOperand& x, const float* dy,
                         float* dx, const Operand& out = {});

}  // namespace pretrain
