// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where the gradients and losses of micro-batches become those of a step: the only place that adds them up.
// Here micro-batches are added one after the other, in the array that the update reads. When several machines
// share a run, each slot of the global batch (global_batch.h) gets a sum of its own, and finish() adds the
// slots in a fixed tree over their numbers, whichever machine computed them; so the bits do not depend on the
// number of machines. Norm, guard and update come after finish() and see only the whole.
//
// Usage, for one step:
//   gradient.begin();
//   for (each micro-batch) {
//     const StepGradient::Place place = gradient.next();
//     loss += model.forward_backward(..., place.accumulate, place.gradients);
//   }
//   gradient.add_loss(loss);
//   const double total = gradient.finish();  // now values() is the gradient of the step

#include <cstddef>

#include "libs/tensor/buffer.h"

namespace pretrain {

/// Single-owner.
class StepGradient {
 public:
  /// For flat arrays of `size` elements. All start as zeros, so that the padding between tensors is zero.
  explicit StepGradient(size_t size);

  /// Starts the sum of a new step.
  void begin();

  /// Where a backward pass puts its gradient, and whether it adds to what is there.
  struct Place {
    float* gradients;
    bool accumulate;
  };
  /// The place of the next micro-batch. Its gradient has to be complete before the next call.
  Place next();

  /// Adds the loss of some micro-batches. In the order of the calls.
  void add_loss(double loss) { loss_ += loss; }

  /// Ends the step: returns the sum of its losses. Without a micro-batch the gradient is zero.
  double finish();

  /// The gradient of the step that finish() ended.
  float* values() { return values_.data(); }
  const float* values() const { return values_.data(); }
  size_t size() const { return values_.size(); }

 private:
  Buffer<float> values_;
  bool empty_ = true;  // nothing was added since begin()
  double loss_ = 0;
};

}  // namespace pretrain
