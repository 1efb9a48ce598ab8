// SPDX-License-Identifier: Apache-2.0
#pragma once
// Slow double-precision versions of what current architectures add: RMSNorm, SwiGLU, RoPE, norms of queries
// and keys, attention with fewer key-value heads than query heads. As ops.h: written for reading, judged by
// central differences.

#include <cstdint>

#include "libs/tensor/reference/ops.h"

namespace pretrain::reference {

Matrix rms_norm(const Matrix& x, const Matrix& gain, double epsilon, int64_t M, int64_t C);
struct RmsNormGradients {
  Matrix x;     // [M, C]
  Matrix gain;  // [C]
};
RmsNormGradients rms_norm_backward(const Matrix& dy, const Matrix& x, const Matrix& gain, double epsilon,
                                   int64_t M, int64_t C);

/// silu(gate) * up.
Matrix swiglu(const Matrix& gate, const Matrix& up);
struct SwigluGradient {
  Matrix gate, up;
};
SwigluGradient swiglu_backward(const Matrix& dhidden, const Matrix& gate, const Matrix& up);

/// RoPE in its half-split form; row r stands at position r % T.
/// Shapes: x [rows, D].
Matrix rotate(const Matrix& x, int64_t T, int64_t D, double theta);
/// The inverse rotation, which is also its gradient.
Matrix rotate_back(const Matrix& y, int64_t T, int64_t D, double theta);

/// Attention with K key-value heads for H query heads; query head h reads head h / (H / K).
struct GroupedAttention {
  int64_t B = 0, T = 0, H = 0, K = 0, D = 0;
  double theta = 0;                 ///< 0: no RoPE
  Matrix q_gain = {}, k_gain = {};  ///< [D] norms of each head before RoPE; empty: none
  double epsilon = 0;

  int64_t width() const { return (H + 2 * K) * D; }
};
/// qkv [B*T, width] -> [B*T, H*D], causal.
Matrix grouped_attention(const Matrix& qkv, const GroupedAttention& a);
struct GroupedAttentionGradients {
  Matrix qkv;             // [B*T, width]
  Matrix q_gain, k_gain;  // [D]
};
GroupedAttentionGradients grouped_attention_backward(const Matrix& dout, const Matrix& qkv,
                                                     const GroupedAttention& a);

}  // namespace pretrain::reference
