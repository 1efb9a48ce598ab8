// SPDX-License-Identifier: Apache-2.0
#pragma once
// How the rows of a step are cut into slots, and in which order the gradients of the slots are added. Both
// depend on numbers of rows and slots alone, so that the sum has the same bits for any split of the work.
//
// Slot i of S has the rows from i R / S to (i + 1) R / S (rounded down) of the R rows of the step. Sums follow
// the tree that splits slots [a, b) at the largest power of two below b - a: ((0 1)(2 3))(4 5) for S = 6. One
// process that computes slot after slot needs few sums at a time for that, as a binary counter needs few
// digits: after n slots there is one sum for each binary one of n.

#include <bit>
#include <cstdint>

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

/// Sums of gradients that exist at once while one process computes all slots: floor(log2 S) + 1.
/// Requires: slots >= 1.
constexpr uint32_t sums_at_once(uint32_t slots) {
  return static_cast<uint32_t>(std::bit_width(slots));
}

}  // namespace pretrain
