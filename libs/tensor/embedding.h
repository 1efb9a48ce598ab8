// SPDX-License-Identifier: Apache-2.0
#pragma once
// Token and position embeddings.

#include <cstdint>

#include "libs/tensor/compute.h"
#include "libs/tensor/store.h"

namespace pretrain {

/// The tokens of a batch.
struct EmbeddedTokens {
  const uint32_t* tokens = nullptr;  ///< [M], below V
  int64_t M = 0;
  int64_t T = 0;  ///< positions of a sequence: token m is at position m mod T
  int64_t C = 0;
};

struct EmbeddingTables {
  const float* tokens = nullptr;     ///< [V, C]
  const float* positions = nullptr;  ///< [T, C]; null: none are added
};

struct EmbeddingGradients {
  float* tokens = nullptr;     ///< [V, C]
  float* positions = nullptr;  ///< [T, C]; null where there is no table
};

/// out[m] = token table[tokens[m]] + position table[m mod T].
/// Shapes: out [M, C].
void embed_forward(Compute& compute, const EmbeddedTokens& batch, const EmbeddingTables& tables, float* out);

/// dtokens[tokens[m]] += dx[m];  dpositions[t] (+)= sum over sequences of dx[., t]. The token table always
/// accumulates, because the tied output head has written its part before; the position table as `positions`
/// says.
/// Shapes: dx [M, C].
/// Repeatability: rows are added in order within each column, whatever the number of threads.
void embed_backward(Compute& compute, const EmbeddedTokens& batch, const float* dx, Store positions,
                    const EmbeddingGradients& gradients);

}  // namespace pretrain
