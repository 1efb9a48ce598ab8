#pragma once
// Consecutive steps that are not finite, while they last: the run as it was before the first of them, and
// the batches that were taken from the stream since. What ends the run in between is saved as the run was
// before them, with these batches given back to the stream, so that a checkpoint never stands inside.

#include <optional>
#include <span>
#include <vector>

#include "libs/data/batch.h"
#include "libs/train/checkpoint_state.h"

namespace pretrain {

/// Single-owner.
class BadStretch {
 public:
  bool open() const { return before_.has_value(); }
  /// A bad step begins the stretch, after this state of the run.
  void begin(const RunState& before) { before_ = before; }
  /// The batches of a step that changed nothing.
  /// Requires: open().
  void hold(std::span<const Batch> batches);
  /// A step changed something, or the run went back.
  void end();

  /// Bounded: of a long stretch, or one of large steps, the batches are not kept.
  bool holds_all() const { return !overflowed_; }
  /// The run before the stretch, whose numbers become those of the run again.
  /// Requires: open().
  const RunState& before() const { return *before_; }
  std::vector<Batch> take_batches() { return std::move(batches_); }

 private:
  std::optional<RunState> before_;
  std::vector<Batch> batches_;
  size_t bytes_ = 0;
  bool overflowed_ = false;
};

}  // namespace pretrain
