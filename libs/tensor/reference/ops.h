// SPDX-License-Identifier: Apache-2.0
#pragma once
// Slow double-precision versions of every operation, written for reading: the judge of the fast kernels,
// itself judged by central differences. Row-major; shapes as in the fast versions.

#include <cstdint>
#include <span>
#include <vector>

#include "libs/tensor/precision.h"

namespace pretrain::reference {

using Matrix = std::vector<double>;

/// Each value rounded to the nearest number of eight significant bits, ties to even: bfloat16, but for its
/// range.
Matrix round_to_bf16(Matrix values);
/// The operand of a product in that precision.
Matrix as_operand(Precision precision, Matrix values);
/// C[M,N] = A[M,K] B[K,N] + bias[N] (bias may be empty).
Matrix linear(const Matrix& A, const Matrix& B, const Matrix& bias, int64_t M, int64_t N, int64_t K);
/// C[M,N] = A[M,K] B[N,K]^T.
Matrix linear_transposed(const Matrix& A, const Matrix& B, int64_t M, int64_t N, int64_t K);
Matrix layer_norm(const Matrix& x, const Matrix& gamma, const Matrix& beta, int64_t M, int64_t C);
Matrix gelu(const Matrix& x);
/// qkv [B*T, 3*H*D] -> [B*T, H*D], causal.
Matrix causal_attention(const Matrix& qkv, int64_t B, int64_t T, int64_t H, int64_t D);
/// Losses per row, 0 where the target is negative.
Matrix cross_entropy(const Matrix& logits, std::span<const int32_t> targets, int64_t V);

/// Gradients of layer_norm from the gradient of its output.
struct LayerNormGradients {
  Matrix x;            // [M, C]
  Matrix gamma, beta;  // [C]
};
LayerNormGradients layer_norm_backward(const Matrix& dy, const Matrix& x, const Matrix& gamma, int64_t M,
                                       int64_t C);
Matrix gelu_backward(const Matrix& dy, const Matrix& x);
/// Gradient of qkv from that of the output.
Matrix causal_attention_backward(const Matrix& dout, const Matrix& qkv, int64_t B, int64_t T, int64_t H,
                                 int64_t D);
/// Gradient of the sum of all losses.
Matrix cross_entropy_backward(const Matrix& logits, std::span<const int32_t> targets, int64_t V);

}  // namespace pretrain::reference
