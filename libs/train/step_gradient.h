// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where the gradients and losses of micro-batches become those of a step: the only place that adds them up.
// The micro-batches of one slot are added one after the other, in place. The sums of slots are added in the
// fixed tree of slot_plan.h; so the bits do not depend on who computes which slot. Norm, guard and update come
// after finish() and see only the whole.
//
// Usage, for one step:
//   gradient.begin();
//   for (each slot) {
//     for (each micro-batch of the slot) {
//       const StepGradient::Place place = gradient.next();
//       loss += model.forward_backward(..., place.accumulate, place.gradients);
//     }
//     gradient.add_loss(loss);
//     gradient.end_slot(compute);
//   }
//   const double total = gradient.finish(compute);  // now values() is the gradient of the step

#include <cstddef>
#include <cstdint>
#include <vector>

#include "libs/tensor/buffer.h"
#include "libs/tensor/compute.h"

namespace pretrain {

/// Single-owner.
class StepGradient {
 public:
  /// For flat arrays of `size` elements. All start as zeros, so that the padding between tensors is zero.
  /// Requires: slots >= 1.
  explicit StepGradient(size_t size, uint32_t slots = 1);

  /// Starts the sum of a new step.
  void begin();

  /// Where a backward pass puts its gradient, and whether it adds to what is there.
  struct Place {
    float* gradients;
    bool accumulate;
  };
  /// The place of the next micro-batch of the slot. Its gradient has to be complete before the next call.
  Place next();

  /// Adds the loss of some micro-batches of the slot. In the order of the calls.
  void add_loss(double loss) { slot_loss_ += loss; }

  /// Ends a slot. Without a micro-batch its gradient is zero.
  /// Requires: at most `slots` calls after begin().
  void end_slot(Compute& compute);

  /// Ends the step: returns the sum of its losses, added slot by slot. Without a slot the gradient is zero.
  double finish(Compute& compute);

  /// The gradient of the step that finish() ended.
  float* values() { return sums_.front().data(); }
  const float* values() const { return sums_.front().data(); }
  size_t size() const { return sums_.front().size(); }

 private:
  /// Adds the newest of the complete sums to the one before it.
  void add_newest(Compute& compute);

  // The first `complete_` are sums of ended slots, older slots first; the next is that of the slot under way.
  std::vector<Buffer<float>> sums_;
  size_t complete_ = 0;
  uint32_t ended_ = 0;      // slots since begin()
  bool slot_empty_ = true;  // nothing was added to the slot under way
  double loss_ = 0, slot_loss_ = 0;
};

}  // namespace pretrain
