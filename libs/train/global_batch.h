// SPDX-License-Identifier: Apache-2.0
#pragma once
// The batch of one optimizer step, and its parts. Divisor of loss and gradient and the hash are those of the
// whole; forward and backward passes see the parts of one slot after the other (slot_plan.h).

#include <algorithm>
#include <cstdint>
#include <span>

#include "libs/data/batch.h"
#include "libs/train/slot_plan.h"

namespace pretrain {

/// Consecutive rows of one batch.
struct BatchPart {
  const Batch& batch;
  RowRange rows;  ///< within the batch
};

/// A view: the batches must outlive it.
class GlobalBatch {
 public:
  /// The accumulated batches of one step, in the order of the stream.
  explicit GlobalBatch(std::span<const Batch> batches) : batches_(batches) {}

  /// Targets that count, over all slots.
  uint64_t targets() const;
  /// Equal for equal batches in equal order; the hash of the batch when it is only one.
  uint64_t hash() const;
  int64_t row_count() const;
  std::span<const Batch> batches() const { return batches_; }
  /// Calls f(part) for the parts of one slot, in the order of the stream.
  /// Requires: slot < slots.
  template <typename F>
  void for_each_part(uint32_t slots, uint32_t slot, const F& f) const {
    const RowRange rows = rows_of_slot(row_count(), slots, slot);
    int64_t before = 0;  // rows of the batches passed
    for (const Batch& batch : batches_) {
      const int64_t first = std::max<int64_t>(rows.first - before, 0);
      const int64_t last = std::min(rows.last - before, batch.rows);
      if (first < last) f(BatchPart{batch, {first, last}});
      before += batch.rows;
    }
  }

 private:
  std::span<const Batch> batches_;
};

}  // namespace pretrain
