#pragma once
// One optimizer step: gradients over all micro-batches of the accumulated batches, then the update.

#include <functional>
#include <span>

#include "libs/data/batch.h"
#include "libs/model/transformer.h"
#include "libs/optim/adamw.h"

namespace pretrain {

struct StepResult {
  double loss = 0;           ///< nats per target, mean over all targets of the step
  double gradient_norm = 0;  ///< before clipping
  bool finite = true;        ///< whether loss and gradients were; only then gradients may be applied
  uint64_t targets = 0;
};

/// Single-owner.
class GradientPass {
 public:
  /// `rows` of a batch are worked through in micro-batches of model.rows(), the last padded if need be.
  GradientPass(Transformer& model, AdamW& optimizer);

  /// The loss is the sum over the targets that count, divided by their number over all batches; so are
  /// gradients. `on_progress` is called after each micro-batch.
  StepResult run(std::span<const Batch> batches, float* gradients,
                 const std::function<void()>& on_progress = {});

 private:
  double run_batch(const Batch& batch, float scale, bool accumulate, float* gradients,
                   const std::function<void()>& on_progress);

  Transformer& model_;
  AdamW& optimizer_;
  std::vector<uint32_t> inputs_;  // one padded micro-batch
  std::vector<int32_t> targets_;
};

}  // namespace pretrain
