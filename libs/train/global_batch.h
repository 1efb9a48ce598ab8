// SPDX-License-Identifier: Apache-2.0
#pragma once
// The batch of one optimizer step, and the part of it that this process computes. The only place that knows
// the difference: the divisor of loss and gradient and the hash are those of the whole, forward and backward
// passes see local(). One process computes everything today. When several machines share a run, the rows are
// cut into slots here, by a formula over rows and slots alone, and local() is the slots of this machine; so
// the batches themselves come from one stream, whatever the number of machines.

#include <cstdint>
#include <span>

#include "libs/data/batch.h"

namespace pretrain {

/// A view: the batches must outlive it.
class GlobalBatch {
 public:
  /// The accumulated batches of one step, in the order of the stream.
  explicit GlobalBatch(std::span<const Batch> batches) : batches_(batches) {}

  /// Targets that count, over all processes.
  uint64_t targets() const;
  /// Equal for equal batches in equal order; the hash of the batch when it is only one.
  uint64_t hash() const;
  /// What this process computes, in the order of the stream.
  std::span<const Batch> local() const { return batches_; }

 private:
  std::span<const Batch> batches_;
};

}  // namespace pretrain
