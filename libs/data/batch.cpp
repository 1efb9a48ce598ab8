// SPDX-License-Identifier: Apache-2.0
#include "libs/data/batch.h"

#include <algorithm>

#include "libs/base/hash.h"

namespace pretrain {

void finish_batch(Batch& batch) {
  batch.target_count = static_cast<uint64_t>(
      std::count_if(batch.targets.begin(), batch.targets.end(), [](int32_t t) { return t >= 0; }));
  const uint64_t inputs = hash64(std::as_bytes(std::span(batch.inputs)));
  batch.hash = hash64(std::as_bytes(std::span(batch.targets)), inputs);
}

}  // namespace pretrain
