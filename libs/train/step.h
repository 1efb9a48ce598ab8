// SPDX-License-Identifier: Apache-2.0
#pragma once
// One optimizer step up to the update: the gradient of the global batch, its loss and its norm.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "libs/data/batch.h"
#include "libs/model/transformer.h"
#include "libs/optim/gradient_norm.h"
#include "libs/train/global_batch.h"
#include "libs/train/step_gradient.h"

namespace pretrain {

struct StepResult {
  double loss = 0;           ///< nats per target, mean over all targets of the step
  double gradient_norm = 0;  ///< before clipping
  bool finite = true;        ///< whether loss and gradients are finite; otherwise don't apply the gradients
  uint64_t targets = 0;
  uint32_t machines = 0;               ///< that made it together; 0 if only one can
  double exchange_seconds = 0;         ///< of the gradients between them
  double exchange_hidden_seconds = 0;  ///< of these, while this machine still computed gradients
};

/// Single-owner.
class GradientPass {
 public:
  /// The rows of each of `slots` slots (slot_plan.h) are computed in micro-batches of model.rows() rows of one
  /// batch; the last is padded if necessary. `exchange`: as StepGradient.
  GradientPass(Compute& compute, Transformer& model, uint32_t slots = 1,
               Precision exchange = Precision::kFloat32);

  /// The loss is the sum over the targets that count, divided by their number over all batches; so are
  /// gradients. `on_progress` is called after each micro-batch.
  StepResult run(std::span<const Batch> batches, const std::function<void()>& on_progress = {});

  /// The parts of run() for machines that share a step: the gradients of some slots, and the result once
  /// gradient() holds the sum of all. `targets` are those of the whole step. Only the rows of the slots are read.
  /// `on_part` is called with each part of the model's flat array in which the sums of the slots are complete before the
  /// rest; with none when there are no rows, or when the last slot is watched.
  void run_slots(const GlobalBatch& batch, const SlotRange& slots, uint64_t targets,
                 const std::function<void()>& on_progress = {}, const OnGradientPart& on_part = {});
  StepResult conclude(double total_loss, uint64_t targets);
  StepGradient& gradient() { return gradient_; }
  uint32_t slots() const { return slots_; }

  /// Of the newest run.
  /// Shapes: as the layout of the model; zero between tensors.
  const float* gradients() const { return gradient_.values(); }

 private:
  double run_part(const BatchPart& part, float scale, const std::function<void()>& on_progress,
                  const OnGradientPart& on_part);
  double run_micro_batch(const uint32_t* inputs, const int32_t* targets, float scale,
                         const OnGradientPart& on_part);

  Compute& compute_;
  Transformer& model_;
  uint32_t slots_;
  StepGradient gradient_;
  GradientNorm norm_;
  std::vector<uint32_t> inputs_;  // one padded micro-batch
  std::vector<int32_t> targets_;
};

}  // namespace pretrain
