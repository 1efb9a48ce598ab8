// SPDX-License-Identifier: Apache-2.0
#include "libs/train/bad_stretch.h"

#include "libs/base/units.h"

namespace pretrain {
namespace {

/// Ten steps of 128 accumulated batches of the preset base; the memory plan has that much to spare.
constexpr size_t kMostBytes = 40_MiB;

}  // namespace

/// Beyond the bound all batches are dropped, not only the newest: a part of them could not be put back in
/// order.
void BadStretch::hold(std::span<const Batch> batches) {
  for (const Batch& batch : batches) bytes_ += batch.inputs.size() * 2 * sizeof(uint32_t);
  overflowed_ = overflowed_ || bytes_ > kMostBytes;
  if (overflowed_) {
    batches_.clear();
    batches_.shrink_to_fit();
  } else {
    batches_.insert(batches_.end(), batches.begin(), batches.end());
  }
}

void BadStretch::end() {
  *this = {};
}

}  // namespace pretrain
