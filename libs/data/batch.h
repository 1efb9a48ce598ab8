// SPDX-License-Identifier: Apache-2.0
#pragma once
// One batch of training sequences. B rows of T (input, target) pairs.

#include <cstdint>
#include <vector>

namespace pretrain {

/// The document in which a sequence begins. Only the batch source can interpret the numbers.
struct SequenceOrigin {
  uint32_t shard = UINT32_MAX;  ///< UINT32_MAX: not known
  uint64_t offset = 0;

  bool operator==(const SequenceOrigin&) const = default;
};

/// A batch in the form that the model takes.
struct Batch {
  uint64_t number = 0;                  ///< position in the stream, from 0
  uint32_t epoch = 0;                   ///< epoch of the newest sequence in it, from 0
  int64_t rows = 0;                     ///< B
  int64_t context = 0;                  ///< T
  std::vector<uint32_t> inputs;         ///< [B, T] token ids
  std::vector<int32_t> targets;         ///< [B, T] token ids, -1 where the position does not count
  std::vector<SequenceOrigin> origins;  ///< [B], not part of the hash
  uint64_t target_count = 0;            ///< targets that count
  uint64_t hash = 0;                    ///< hash of inputs and targets, to compare streams
};

/// Counts the targets and computes the hash.
void finish_batch(Batch& batch);

}  // namespace pretrain
