// SPDX-License-Identifier: Apache-2.0
#pragma once
// How the rows of a step are cut into slots, and in which order the gradients of the slots are added. Both
// depend on numbers of rows and slots alone, so that the sum has the same bits for any split of the work.
//
// Slot i of S has the rows from i R / S to (i + 1) R / S (rounded down) of the R rows of the step. Sums follow
// the tree that splits slots [a, b) at the largest power of two below b - a: ((0 1)(2 3))(4 5) for S = 6. One
// process that computes slot after slot needs few sums at a time for that, as a binary counter needs few
// digits: after n slots there is one sum for each binary one of n.
//
// Several machines share a step: each has consecutive slots, adds what is complete of the tree within them, and
// sends only these few sums. Added in the order of the slots, they give the sum of the step.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace pretrain {

/// Rows [first, last) of a step, counted through its batches.
struct RowRange {
  int64_t first = 0, last = 0;

  int64_t size() const { return last - first; }
  bool operator==(const RowRange&) const = default;
};

/// Requires: slot < slots.
RowRange rows_of_slot(int64_t rows, uint32_t slots, uint32_t slot);

/// The most rows of one batch that one slot has, for a step of `batches` batches of `batch_rows` rows. A slot
/// is computed batch by batch, so this is the most that a micro-batch can use.
/// Requires: all at least 1.
int64_t most_rows_at_once(int64_t batch_rows, int64_t batches, uint32_t slots);

/// Slots [first, last) of a step.
struct SlotRange {
  uint32_t first = 0, last = 0;

  uint32_t size() const { return last - first; }
  bool operator==(const SlotRange&) const = default;
};

/// A sum of the tree: that of slots [index << level, (index + 1) << level).
struct SumNode {
  uint32_t level = 0, index = 0;

  bool operator==(const SumNode&) const = default;
};

/// Adds sums in the order of the tree. `T` says where a sum is. Single-owner.
template <typename T>
class SumStack {
 public:
  struct Entry {
    SumNode node;
    T sum;
  };

  /// As many sums as any number of slots needs: pushing takes nothing from the heap.
  SumStack() { entries_.reserve(2 * std::numeric_limits<uint32_t>::digits); }

  void clear() { entries_.clear(); }
  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  /// The sums that wait for one to their right, in the order of their slots.
  const std::vector<Entry>& entries() const { return entries_; }

  /// Takes the sum whose slots follow those of the last one. `add(left, right)` adds the right sum to the left
  /// one; it is called as a binary counter carries: after slots 0 to 3 for (2 3), then for ((0 1)(2 3)).
  template <typename Add>
  void push(SumNode node, T sum, const Add& add) {
    const size_t carried = carry(node, sum, add);
    entries_.erase(entries_.end() - static_cast<std::ptrdiff_t>(carried), entries_.end());
    entries_.push_back({node, std::move(sum)});
  }
  /// The additions that push() would make, such as for a part of the elements before the rest.
  template <typename Add>
  void add_as_pushed(SumNode node, T sum, const Add& add) const {
    carry(node, sum, add);
  }

  /// Ends the sum of all slots. Those that are left are of shorter and shorter ranges: the shortest are added
  /// first.
  template <typename Add>
  void fold(const Add& add) {
    while (entries_.size() > 1) {
      add(entries_[entries_.size() - 2].sum, entries_.back().sum);
      entries_.pop_back();
    }
  }

 private:
  /// Adds up what `node` completes, which it and `sum` are then. Returns how many of the last entries that takes.
  template <typename Add>
  size_t carry(SumNode& node, T& sum, const Add& add) const {
    size_t carried = 0;
    for (auto left = entries_.rbegin(); left != entries_.rend(); ++left) {
      if (node.index % 2 == 0 || left->node != SumNode{node.level, node.index - 1}) break;
      T both = left->sum;
      add(both, sum);
      sum = std::move(both);
      node = {node.level + 1, node.index / 2};
      ++carried;
    }
    return carried;
  }

  std::vector<Entry> entries_;
};

/// The sums that a machine with these slots completes, in the order of the slots: at most 2 log2 S.
std::vector<SumNode> complete_sums(const SlotRange& range);

/// Cuts the slots among machines by their speeds: the slowest share takes the least time that whole slots
/// allow. Each machine with a speed has at least one slot as long as there are enough; one with 0 has none.
/// Requires: a speed above 0, none below.
std::vector<SlotRange> ranges_of(uint32_t slots, std::span<const double> speeds);

/// Sums of gradients that exist at once while one process computes these slots.
uint32_t sums_at_once(const SlotRange& range);

/// The same for all slots: floor(log2 S) + 1.
/// Requires: slots >= 1.
constexpr uint32_t sums_at_once(uint32_t slots) {
  return static_cast<uint32_t>(std::bit_width(slots));
}

}  // namespace pretrain
