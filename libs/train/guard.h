#pragma once
// The guard against non-finite numbers. A step whose loss or gradient is not finite is skipped before it
// changes anything. After several consecutive ones the run returns to its newest checkpoint and replays: if
// the same steps fail again, the batches are at fault and stay skipped; if they don't, the machine was. When
// further steps fail after what was replayed, the run is over.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace pretrain {

/// A step that was skipped, and the batch it was to be trained on.
struct GuardedStep {
  uint64_t step = 0;
  uint64_t batch = 0;

  bool operator==(const GuardedStep&) const = default;
};

/// What has to happen after a step.
enum class GuardVerdict {
  kGoOn,
  kReturn,  ///< to the newest checkpoint, and replay from there
  kStop,    ///< the replay failed in the same way
};

/// Single-owner. Its state is part of a checkpoint.
struct NonFiniteGuard {
  uint64_t total = 0;                 ///< steps skipped in the whole run
  std::vector<GuardedStep> in_a_row;  ///< those since the last clean step
  /// Those that made the run return to a checkpoint, as far as the newest one lies before them. Ascending.
  std::vector<GuardedStep> recorded;

  /// Several consecutive ones are no accident of one batch.
  static constexpr size_t kMaximumInARow = 5;

  /// Records the outcome of a step.
  GuardVerdict record(bool finite, uint64_t step, uint64_t batch);

  /// For the replay: this guard is that of a checkpoint, `newer` the one that asked for the return.
  void remember(const NonFiniteGuard& newer);
  /// No replay will begin before this step any more.
  void forget_up_to(uint64_t step);

 private:
  bool has_recorded(uint64_t step) const;
};

/// What the steps since the newest checkpoint came to, so that a replay can be held against them. Not part of
/// a checkpoint: it is about this process. Bounded: of a very long stretch it knows the newest million steps.
class StepHistory {
 public:
  /// False when the step was seen before with another digest.
  [[nodiscard]] bool agrees(uint64_t step, uint64_t digest);
  void forget_up_to(uint64_t step);

 private:
  std::optional<size_t> index_of(uint64_t step) const;

  std::deque<uint64_t> digests_;  // of consecutive steps
  uint64_t first_step_ = 0;       // of the front
};

}  // namespace pretrain
