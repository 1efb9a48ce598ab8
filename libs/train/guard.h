// SPDX-License-Identifier: Apache-2.0
#pragma once
// The guard against non-finite numbers. A step whose loss or gradient is not finite is skipped before it
// changes anything. After several consecutive ones the run returns to its newest checkpoint and replays the
// steps. If the same steps fail again, their batches are the cause and stay skipped; if not, the machine was.
// If more steps fail after the replayed ones, the run stops.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace pretrain {

/// A skipped step and its batch.
struct GuardedStep {
  uint64_t step = 0;
  uint64_t batch = 0;

  bool operator==(const GuardedStep&) const = default;
};

/// What to do after a step.
enum class GuardVerdict {
  kGoOn,
  kReturn,  ///< to the newest checkpoint, and replay from there
  kStop,    ///< the replay failed in the same way
};

/// Single-owner. Its state is part of a checkpoint.
struct NonFiniteGuard {
  uint64_t total = 0;                 ///< steps skipped in the whole run
  std::vector<GuardedStep> in_a_row;  ///< skipped steps since the last finite one
  /// Steps that triggered a return to a checkpoint and are newer than the newest checkpoint. Ascending.
  std::vector<GuardedStep> recorded;

  /// One bad batch can't cause this many consecutive failures.
  static constexpr size_t kMaximumInARow = 5;

  /// Records the outcome of a step.
  GuardVerdict record(bool finite, uint64_t step, uint64_t batch);

  /// Prepares a replay: this guard comes from the checkpoint, `newer` is the one that requested the return.
  void remember(const NonFiniteGuard& newer);
  /// Forgets steps up to this one, because no replay will start before it.
  void forget_up_to(uint64_t step);

 private:
  bool has_recorded(uint64_t step) const;
};

/// Digests of the steps since the newest checkpoint, to compare a replay with. Not part of a checkpoint,
/// because it is about this process. Bounded to the newest million steps.
class StepHistory {
 public:
  /// False if the step was seen before with another digest.
  [[nodiscard]] bool agrees(uint64_t step, uint64_t digest);
  void forget_up_to(uint64_t step);

 private:
  std::optional<size_t> index_of(uint64_t step) const;

  std::deque<uint64_t> digests_;  // of consecutive steps
  uint64_t first_step_ = 0;       // of the front
};

}  // namespace pretrain
