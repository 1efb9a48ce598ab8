// SPDX-License-Identifier: Apache-2.0
#pragma once
// How much memory a training run takes, from its sizes alone, before anything is allocated. Each figure is
// what its owner's constructor allocates; a test counts that for every preset.

#include <cstdint>

#include "libs/model/pass_shape.h"

namespace pretrain {

/// Rows of one micro-batch: B rows of T tokens are worked through in ceil(B*T / limit) equal parts.
/// The last part may be padded with rows that do not count.
/// Requires: rows >= 1.
int64_t micro_batch_rows(int64_t rows, int64_t context, int64_t limit_tokens);

/// Bytes by purpose.
struct MemoryPlan {
  uint64_t parameters = 0;   ///< values, and sums of gradients
  uint64_t optimizer = 0;    ///< what the optimizers keep between updates, and work with
  uint64_t packed = 0;       ///< weights packed for the products, both directions, and one layer's gradient
  uint64_t activations = 0;  ///< kept for the backward pass, gradients on their way, one chunk of logits
  uint64_t scratch = 0;      ///< attention scores and product scratch of all threads

  uint64_t total() const { return parameters + optimizer + packed + activations + scratch; }
};

/// `optimizer_bytes` is what the optimizers say they need (optimizer_memory_bytes() in libs/optim),
/// `gradient_arrays` how many sums of gradients exist at once (sums_at_once() in libs/train).
/// Requires: shape.training.
MemoryPlan plan_memory(const PassShape& shape, int threads, uint64_t optimizer_bytes,
                       uint32_t gradient_arrays = 1);

}  // namespace pretrain
