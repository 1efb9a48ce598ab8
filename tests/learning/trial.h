// SPDX-License-Identifier: Apache-2.0
#pragma once
// One training of one recipe, without checkpoints and logs, and the time that its steps take when nothing
// disturbs them.

#include <cstdint>
#include <functional>

#include "apps/pretrain/run_configuration.h"
#include "libs/optim/optimizer_set.h"
#include "libs/train/evaluation.h"
#include "libs/train/step.h"
#include "tests/learning/text_stream.h"

namespace pretrain::learning {

/// A model in training. Single-owner.
class Trial {
 public:
  /// `config` says model, batch, optimizer and schedule; its vocabulary is that of the text.
  Trial(Compute& compute, const RunConfiguration& config, const Text& text, uint64_t seed);

  /// Trains the next step and returns its loss in nats.
  double step();
  /// Bits per byte of the held-out text.
  EvaluationResult evaluate();

  uint64_t steps() const { return step_; }
  size_t parameter_count() const { return model_.layout().parameter_count(); }
  /// Of all steps so far.
  const std::vector<double>& step_seconds() const { return seconds_; }

 private:
  RunConfiguration config_;
  const Text& text_;
  uint64_t seed_;
  Transformer model_;
  Buffer<float> parameters_;
  OptimizerSet optimizer_;
  GradientPass pass_;
  std::vector<Batch> batches_;
  uint64_t step_ = 0;
  std::vector<double> seconds_;
};

/// Other programs on the host only ever make a step slower, and never all the time: the time below which a
/// tenth of the steps are.
/// Requires: not empty.
double quiet_seconds(std::vector<double> step_seconds);

}  // namespace pretrain::learning
