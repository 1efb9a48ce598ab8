// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where the gradients and losses of micro-batches become those of a step: the only place that adds them up, but
// for those of several machines (slot_exchange.h).
// The micro-batches of one slot are added one after the other, in place. The sums of slots are added in the
// fixed tree of slot_plan.h; so the bits do not depend on who computes which slot. Norm, guard and update come
// after finish() and see only the whole.
// Where gradients are exchanged in bf16, each slot's gradient and each sum of the tree is rounded to it, also on one
// machine: where a number is rounded depends on the tree alone, and so do the bits.
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
#include <optional>
#include <span>
#include <vector>

#include "libs/model/parameter_table.h"
#include "libs/tensor/buffer.h"
#include "libs/tensor/compute.h"
#include "libs/tensor/precision.h"
#include "libs/train/slot_plan.h"

namespace pretrain {

/// Single-owner.
class StepGradient {
 public:
  /// For flat arrays of `size` elements. All start as zeros, so that the padding between tensors is zero.
  /// Requires: slots >= 1.
  explicit StepGradient(size_t size, uint32_t slots = 1, Precision exchange = Precision::kFloat32);

  /// Starts the sum of a new step. A machine that has only some of its slots computes `range`; without one, all.
  /// Memory grows when a range needs more sums than any before.
  void begin() { begin({0, slots_}); }
  void begin(const SlotRange& range);

  /// Where a backward pass puts its gradient, and whether it adds to what is there.
  struct Place {
    float* gradients;
    bool accumulate;
  };
  /// The place of the next micro-batch of the slot. Its gradient has to be complete before the next call.
  Place next();

  /// Adds the loss of some micro-batches of the slot. In the order of the calls.
  void add_loss(double loss) { slot_loss_ += loss; }

  /// Ends these elements of the slot, whose last gradient is there: they are those of partial_sums() then, if the slot is
  /// the last. A slot is completed so as a whole, part by part before end_slot(), or not at all.
  void complete_part(Compute& compute, const ElementRange& part);

  /// Ends a slot. Without a micro-batch its gradient is zero.
  /// Requires: at most as many calls after begin() as it was given slots.
  void end_slot(Compute& compute);

  /// From the next begin() on, keeps a hash of the gradient of this slot alone, so that another machine can check it;
  /// nothing: of none.
  void watch(std::optional<uint32_t> slot) { watched_ = slot; }
  bool is_watched(uint32_t slot) const { return watched_ == slot; }
  /// Of the watched slot, once it has ended in this step.
  /// Requires: it was not completed in parts.
  std::optional<uint64_t> watched_hash() const { return watched_hash_; }

  /// Ends the step: returns the sum of its losses, added slot by slot. Without a slot the gradient is zero.
  double finish(Compute& compute);

  /// For the exchange with other machines, instead of finish(): the complete sums of the range once all its slots have
  /// ended, or in the parts that are completed, and the losses of all slots of the step, of which those of the range are
  /// filled in. Callable on another thread, from the first complete part on until the next begin().
  struct PartialSum {
    SumNode node;
    float* values;
  };
  std::vector<PartialSum> partial_sums();
  std::span<double> losses() { return losses_; }
  /// The sum of losses() in the order of the slots.
  double total_loss() const;

  /// The gradient of the step that finish() ended, or where an exchange puts it: the place of the first partial
  /// sum.
  float* values() { return sums_.front().data(); }
  const float* values() const { return sums_.front().data(); }
  size_t size() const { return sums_.front().size(); }
  /// What all complete sums are rounded to.
  Precision exchange() const { return exchange_; }

 private:
  void reserve(uint32_t sums);
  void end_elements(Compute& compute, const ElementRange& part);
  void add_elements(Compute& compute, size_t left, size_t right, const ElementRange& part);

  uint32_t slots_;
  Precision exchange_;
  // The first are sums of ended slots, those of `complete_`; the next is that of the slot under way.
  std::vector<Buffer<float>> sums_;
  SumStack<size_t> complete_;  // by index in sums_, which is that in the stack
  SlotRange range_;
  uint32_t next_slot_ = 0;
  bool slot_empty_ = true;  // nothing was added to the slot under way
  size_t completed_ = 0;    // elements of it
  double slot_loss_ = 0;
  std::vector<double> losses_;  // by slot
  std::optional<uint32_t> watched_;
  std::optional<uint64_t> watched_hash_;
};

}  // namespace pretrain
