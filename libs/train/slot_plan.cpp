// SPDX-License-Identifier: Apache-2.0
#include "libs/train/slot_plan.h"

#include <algorithm>

namespace pretrain {

RowRange rows_of_slot(int64_t rows, uint32_t slots, uint32_t slot) {
  return {.first = slot * rows / slots, .last = (slot + int64_t{1}) * rows / slots};
}

int64_t most_rows_at_once(int64_t batch_rows, int64_t batches, uint32_t slots) {
  int64_t most = 0;
  for (uint32_t slot = 0; slot < slots; ++slot) {
    const RowRange rows = rows_of_slot(batch_rows * batches, slots, slot);
    for (int64_t first = rows.first; first < rows.last;) {
      const int64_t end_of_batch = (first / batch_rows + 1) * batch_rows;
      const int64_t last = std::min(rows.last, end_of_batch);
      most = std::max(most, last - first);
      first = last;
    }
  }
  return most;
}

}  // namespace pretrain
