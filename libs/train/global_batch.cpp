// SPDX-License-Identifier: Apache-2.0
#include "libs/train/global_batch.h"

#include <vector>

#include "libs/base/hash.h"

namespace pretrain {

uint64_t GlobalBatch::targets() const {
  uint64_t targets = 0;
  for (const Batch& batch : batches_) targets += batch.target_count;
  return targets;
}

int64_t GlobalBatch::row_count() const {
  int64_t rows = 0;
  for (const Batch& batch : batches_) rows += batch.rows;
  return rows;
}

/// The hash of a single batch is its own, so that logs of runs without accumulation show the hashes of the
/// stream.
uint64_t GlobalBatch::hash() const {
  if (batches_.size() == 1) return batches_.front().hash;
  std::vector<uint64_t> hashes;
  hashes.reserve(batches_.size());
  for (const Batch& batch : batches_) hashes.push_back(batch.hash);
  return hash64(std::as_bytes(std::span(hashes)));
}

}  // namespace pretrain
