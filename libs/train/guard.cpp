#include "libs/train/guard.h"

namespace pretrain {

bool NonFiniteGuard::record(bool finite, uint64_t step, uint64_t batch) {
  if (finite) {
    in_a_row.clear();
    return false;
  }
  ++total;
  in_a_row.push_back({step, batch});
  return in_a_row.size() >= kMaximumInARow;
}

}  // namespace pretrain
