#pragma once
// The guard against non-finite numbers: such a step is passed over before it changes anything, and counted.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pretrain {

/// What a passed-over step was trained on.
struct GuardedStep {
  uint64_t step = 0;
  uint64_t batch = 0;
};

/// Single-owner. Its state is part of a checkpoint.
struct NonFiniteGuard {
  uint64_t total = 0;                 ///< steps passed over in the whole run
  std::vector<GuardedStep> in_a_row;  ///< those since the last clean step

  /// Several in a row are no accident of one batch: the run must not go on.
  static constexpr size_t kMaximumInARow = 5;

  /// Records the outcome of a step; true when the run has to stop.
  bool record(bool finite, uint64_t step, uint64_t batch);
};

}  // namespace pretrain
