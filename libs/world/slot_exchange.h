// SPDX-License-Identifier: Apache-2.0
#pragma once
// The sum of a step's gradients over several machines, bit for bit that of one. Each machine has added what is complete
// of the tree within its slots (slot_plan.h). The flat array is cut into one piece for each machine, its owner: it
// receives the partial sums of its piece, adds them in the order of the tree, and sends the sum to all. The fabric
// moves bytes; only this adds. Losses travel with the partial sums.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "libs/fabric/fabric.h"
#include "libs/tensor/buffer.h"
#include "libs/tensor/compute.h"
#include "libs/train/slot_plan.h"
#include "libs/train/step_gradient.h"

namespace pretrain {

/// Elements [first, last) of a flat array.
struct ArrayPiece {
  size_t first = 0, last = 0;

  size_t size() const { return last - first; }
};

/// The piece of one of `machines` owners: about equal, cut at cache lines.
ArrayPiece piece_of(size_t elements, int machines, int owner);

/// Memory that sharing steps takes on each machine besides what a run of one needs, for a flat array of so many
/// elements: partial sums of the others, and own ones of slots that end with no power of two. Uneven speeds may take less
/// or, with many slots, a little more.
constexpr uint64_t exchange_bytes(size_t elements) {
  return 2 * elements * sizeof(float);
}

/// Single-owner. Keeps the memory that the fabric writes to, which must outlive the fabric's close().
class SlotExchange {
 public:
  explicit SlotExchange(Compute& compute) : compute_(compute) {}

  /// Completes the gradient: values() and losses() are those of all slots then. `ranges` are those of all ranks.
  /// Requires: the gradient has all slots of ranges[fabric.rank()], and not more.
  /// Errors: PeerLost; the fabric is closed then, and the gradient is lost.
  void run(Fabric& fabric, std::span<const SlotRange> ranges, std::chrono::milliseconds patience,
           StepGradient& gradient);

 private:
  void gather(Fabric& fabric, std::span<const SlotRange> ranges, std::chrono::milliseconds patience,
              StepGradient& gradient);
  void spread(Fabric& fabric, std::chrono::milliseconds patience, StepGradient& gradient);

  Compute& compute_;
  Buffer<float> received_;  // partial sums of the own piece, of the other ranks
};

}  // namespace pretrain
