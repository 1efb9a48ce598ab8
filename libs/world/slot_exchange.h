// SPDX-License-Identifier: Apache-2.0
#pragma once
// The sum of a step's gradients over several machines, bit for bit that of one. Each machine has added what is complete
// of the tree within its slots (slot_plan.h). The flat array is exchanged bucket by bucket, in the order in which the last
// backward pass of a machine completes them, on a thread of its own: so the exchange of the last layers runs while the
// first ones are still computed. Each bucket is cut into one piece for each machine, its owner: it receives the partial
// sums of its piece, adds them in the order of the tree, and sends the sum to all. The fabric moves bytes; only this adds.
// Neither buckets nor pieces change the order in which an element's sums are added. Where all sums are rounded to bf16
// (step_gradient.h), the fabric moves bf16, and nothing is rounded for that.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "libs/fabric/fabric.h"
#include "libs/model/transformer.h"
#include "libs/tensor/buffer.h"
#include "libs/tensor/compute.h"
#include "libs/train/slot_plan.h"
#include "libs/train/step_gradient.h"

namespace pretrain {

/// The piece of one of `machines` owners: about equal, cut at cache lines.
ElementRange piece_of(const ElementRange& bucket, int machines, int owner);

struct BucketSizes {
  /// Elements. Smaller parts are exchanged together with the next, because each bucket costs some latencies; larger ones
  /// in several, so that one is added while the next is on its way.
  size_t least = size_t{1} << 18, most = size_t{1} << 22;
};

/// Buckets for parts that are completed one after the other and lie as backward_parts() says, in the same order.
std::vector<ElementRange> buckets_of(std::span<const ElementRange> parts, const BucketSizes& sizes = {});

/// Memory that sharing steps takes on each machine besides what a run of one needs, for a flat array of so many
/// elements: partial sums of the others for one bucket, and own ones of slots that end with no power of two. Uneven speeds
/// may take less or, with many slots, a little more.
constexpr uint64_t exchange_bytes(size_t elements) {
  return (elements + 2 * BucketSizes{}.most) * sizeof(float);
}

struct ExchangeTimes {
  double seconds = 0;         ///< of the exchange, waiting for other machines included
  double hidden_seconds = 0;  ///< of these, while this machine still computed
};

/// Single-owner. Keeps the memory that the fabric writes to, which must outlive the fabric's close().
class SlotExchange {
 public:
  /// For flat arrays with these buckets.
  explicit SlotExchange(std::vector<ElementRange> buckets);

  struct Step {
    Fabric& fabric;
    std::span<const SlotRange> ranges;  ///< of all ranks
    std::chrono::milliseconds patience;
    StepGradient& gradient;
  };
  /// Computes the own slots and completes the gradient: values() and losses() are those of all slots then. `compute` makes
  /// the gradients of ranges[fabric.rank()], and may call what it is given with parts that are complete before the rest.
  /// Errors: PeerLost; those of `compute`. The fabric is closed then, and the gradient is lost.
  ExchangeTimes run(const Step& step, const std::function<void(const OnGradientPart&)>& compute);

 private:
  class Progress;

  void exchange(const Step& step, Progress& progress);
  void gather(const Step& step, size_t bucket);
  void add_up(const Step& step, size_t bucket);
  void spread(const Step& step, size_t bucket);
  void take_sums(const Step& step, size_t bucket);
  void exchange_losses(const Step& step);

  std::vector<ElementRange> buckets_;
  Compute compute_;         // of the thread that exchanges
  Buffer<float> received_;  // partial sums of the own piece of a bucket, of the other ranks
  // In bf16: the same, those of the whole bucket that are sent, and the sums of a bucket.
  Buffer<Bf16> received_halves_, sent_halves_, sum_halves_;
};

}  // namespace pretrain
