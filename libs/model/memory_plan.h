#pragma once
// How much memory a training run takes, from its sizes alone, before anything is allocated.

#include <cstdint>

#include "libs/model/config.h"

namespace pretrain {

/// Rows of one micro-batch: B rows of T tokens are worked through in ceil(B*T / limit) equal parts.
/// The last part may be padded with rows that do not count. Requires: rows >= 1.
int64_t micro_batch_rows(int64_t rows, int64_t context, int64_t limit_tokens);

/// Bytes by purpose.
struct MemoryPlan {
  uint64_t parameters = 0;   ///< values, gradients and two moments
  uint64_t packed = 0;       ///< weights packed for the products, both directions
  uint64_t activations = 0;  ///< kept for the backward pass, and gradients on their way
  uint64_t logits = 0;       ///< one chunk of logits and its transpose
  uint64_t scratch = 0;      ///< attention scores and product scratch of all threads

  uint64_t total() const { return parameters + packed + activations + logits + scratch; }
};

MemoryPlan plan_memory(const ModelConfig& config, int64_t micro_rows, int threads);

}  // namespace pretrain
