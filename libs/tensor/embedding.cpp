// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/embedding.h"

#include <algorithm>

namespace pretrain {
namespace {

constexpr size_t kRowsPerTask = 64;
/// The backward pass is cut by columns, not by rows: several rows may have the same token, and threads must
/// not add to the same element. 64 columns are four cache lines.
constexpr size_t kColumnsPerTask = 64;

void add_columns(const float* from, float* to, size_t begin, size_t end) {
  for (size_t c = begin; c < end; ++c) to[c] += from[c];
}

}  // namespace

void embed_forward(Compute& compute, const EmbeddedTokens& batch, const EmbeddingTables& tables, float* out) {
  const int64_t C = batch.C;
  compute.parallel_ranges(static_cast<size_t>(batch.M), kRowsPerTask, [&](size_t begin, size_t end) {
    for (size_t m = begin; m < end; ++m) {
      const float* token = tables.tokens + static_cast<int64_t>(batch.tokens[m]) * C;
      float* row = out + static_cast<int64_t>(m) * C;
      if (tables.positions == nullptr) {
        std::copy_n(token, C, row);
        continue;
      }
      const float* position = tables.positions + static_cast<int64_t>(m) % batch.T * C;
      for (int64_t c = 0; c < C; ++c) row[c] = token[c] + position[c];
    }
  });
}

/// Each thread adds all rows of its columns, in order, so that sums don't depend on the threads.
void embed_backward(Compute& compute, const EmbeddedTokens& batch, const float* dx, Store positions,
                    const EmbeddingGradients& gradients) {
  const int64_t C = batch.C;
  compute.parallel_ranges(static_cast<size_t>(C), kColumnsPerTask, [&](size_t begin, size_t end) {
    for (int64_t m = 0; m < batch.M; ++m) {
      add_columns(dx + m * C, gradients.tokens + static_cast<int64_t>(batch.tokens[m]) * C, begin, end);
      if (gradients.positions == nullptr) continue;
      float* position = gradients.positions + m % batch.T * C;
      if (m < batch.T && positions == Store::kOverwrite) {
        for (size_t c = begin; c < end; ++c) position[c] = 0;
      }
      add_columns(dx + m * C, position, begin, end);
    }
  });
}

}  // namespace pretrain
