// SPDX-License-Identifier: Apache-2.0
#pragma once
// SwiGLU: a hidden layer whose values are gated by the SiLU of others.
// Source: Shazeer, "GLU Variants Improve Transformer", equation 5.

#include <cstdint>

#include "libs/tensor/operand.h"

namespace pretrain {

/// out = silu(gate) * up, silu(x) = x / (1 + exp(-x)), for blocks [rows, columns], rows ld apart, on the
/// calling thread.
/// Requires: gate, up and out in the same precision.
/// Aliasing: out may be gate or up.
void swiglu_forward_block(int64_t rows, int64_t columns, int64_t ld, const ConstOperand& gate,
                          const ConstOperand& up, const Operand& out);

/// From dhidden, the gradient of silu(gate) * up:
///   dup = dhidden * silu(gate);  dgate = dhidden * up * silu'(gate), silu'(x) = s (1 + x (1 - s)),
///   s = sigmoid(x)
/// and the forward pass again to `out`, if given: it costs no second exponential.
/// Requires: as in the forward pass.
/// Aliasing: dup or dgate may be dhidden.
struct SwigluGradients {
  float* dgate = nullptr;
  float* dup = nullptr;
};
void swiglu_backward_block(int64_t rows, int64_t columns, int64_t ld, const ConstOperand& gate,
                           const ConstOperand& up, const float* dhidden, const SwigluGradients& gradients,
                           const Operand& out = {});

}  // namespace pretrain
