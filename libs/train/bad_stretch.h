// SPDX-License-Identifier: Apache-2.0
#pragma once
// A stretch of consecutive steps that are not finite: the state of the run before the first of them, and the
// batches taken from the stream since. If the run ends within the stretch, that state is saved and the
// batches are put back into the stream, so that no checkpoint is ever within a stretch.
//
//   if (!result.finite) {                       // after each step
//     if (!stretch.open()) stretch.begin(state);
//     stretch.hold(batches);
//   } else {
//     stretch.end();
//   }
//   if (stretch.open() && stretch.holds_all()) {  // at the end of the run: as if the stretch had not begun
//     state = stretch.before();
//     source.give_back(stretch.take_batches());
//   }

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
  /// Starts a stretch after this state of the run.
  void begin(const RunState& before) { before_ = before; }
  /// Keeps the batches of a step that changed nothing.
  /// Requires: open().
  void hold(std::span<const Batch> batches);
  /// Ends the stretch: a step changed something, or the run returned to a checkpoint.
  void end();

  /// Whether all batches are kept. A long stretch, or one of large steps, exceeds the bound.
  bool holds_all() const { return !overflowed_; }
  /// The state of the run before the stretch.
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
