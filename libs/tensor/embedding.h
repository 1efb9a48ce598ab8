#pragma once
// Token and position embeddings.

#include <cstdint>

#include "libs/tensor/compute.h"

namespace pretrain {

/// out[m] = tokens_table[tokens[m]] + positions_table[m mod T].
/// Shapes: tokens [M]; tokens_table [V, C]; positions_table [T, C]; out [M, C].
/// Requires: tokens[m] < V.
void embed_forward(Compute& compute, const uint32_t* tokens, const float* tokens_table,
                   const float* positions_table, int64_t M, int64_t T, int64_t C, float* out);

/// dtokens_table[tokens[m]] += dx[m];  dpositions_table[t] (+)= sum over sequences of dx[., t]. The token
/// table always accumulates, because the tied output head has written its part before; the position table
/// accumulates if `accumulate_positions`.
/// Repeatability: rows are added in order within each column, whatever the number of threads.
void embed_backward(Compute& compute, const uint32_t* tokens, const float* dx, int64_t M, int64_t T,
                    int64_t C, bool accumulate_positions, float* dtokens_table, float* dpositions_table);

}  // namespace pretrain
