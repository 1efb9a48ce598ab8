// SPDX-License-Identifier: Apache-2.0
#pragma once
// One training of one recipe, without checkpoints and logs, and the time that its steps take when other
// programs on the host are quiet.

#include <cstdint>
#include <vector>

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
  uint64_t tokens() const { return taken_ * static_cast<uint64_t>(config_.batch * config_.model.context); }
  size_t parameter_count() const { return model_.layout().parameter_count(); }
  /// Of all steps so far: processor time, shared equally by the threads, so that waiting for a core is not
  /// counted.
  const std::vector<double>& step_seconds() const { return seconds_; }

 private:
  RunConfiguration config_;
  const Text& text_;
  uint64_t seed_;
  int threads_;
  Transformer model_;
  Buffer<float> parameters_;
  OptimizerSet optimizer_;
  GradientPass pass_;
  std::vector<Batch> batches_;
  uint64_t step_ = 0;
  uint64_t taken_ = 0;  // batches
  std::vector<double> seconds_;
};

/// Seconds of a step when other programs on the host are quiet.
struct StepCost {
  double most = 0;  ///< of the most batches that the recipe has in a step
  double one = 0;   ///< of one batch
};

/// The steps that fit into so many counted seconds, at least one. What a step costs grows evenly with its batches.
uint64_t steps_within(double seconds, const StepCost& cost, const BatchRamp& ramp);

/// Other programs on the host only ever make a step slower, and never all the time: the time below which a
/// tenth of the steps are.
/// Requires: not empty.
double quiet_seconds(std::vector<double> step_seconds);

/// How long a step of each recipe takes compared with one of the first: the median over rounds in which each
/// took one step, so that what slows the machine for a while slows both sides of a ratio.
/// Shapes: rounds [rounds, recipes].
/// Requires: not empty.
std::vector<double> relative_seconds(const std::vector<std::vector<double>>& rounds);

}  // namespace pretrain::learning
