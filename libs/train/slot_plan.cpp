// SPDX-License-Identifier: Apache-2.0
#include "libs/train/slot_plan.h"

#include <algorithm>
#include <limits>

#include "libs/base/check.h"

namespace pretrain {

/// Shares differ by one row at most, and together are all rows.
RowRange rows_of_slot(int64_t rows, uint32_t slots, uint32_t slot) {
  return {.first = slot * rows / slots, .last = (slot + int64_t{1}) * rows / slots};
}

/// A slot that reaches into the next batch is computed in parts, one for each batch.
int64_t most_rows_at_once(int64_t batch_rows, int64_t batches, uint32_t slots) {
  int64_t most = 0;
  for (uint32_t slot = 0; slot < slots; ++slot) {
    const RowRange rows = rows_of_slot(batch_rows * batches, slots, slot);
    for (int64_t first = rows.first; first < rows.last;) {
      const int64_t end_of_batch = (first / batch_rows + 1) * batch_rows;
      const int64_t last = std::min(rows.last, end_of_batch);
      most = std::max(most, last - first);
      first = last;
    }
  }
  return most;
}

namespace {

/// Calls f(sums that wait) before each slot of the range, and returns those that are left.
template <typename F>
std::vector<SumNode> count_up(const SlotRange& range, const F& f) {
  SumStack<char> stack;  // the shape alone
  for (uint32_t slot = range.first; slot < range.last; ++slot) {
    f(stack.size());
    stack.push({0, slot}, 0, [](char, char) {});
  }
  std::vector<SumNode> left;
  for (const auto& entry : stack.entries()) left.push_back(entry.node);
  return left;
}

}  // namespace

std::vector<SumNode> complete_sums(const SlotRange& range) {
  return count_up(range, [](size_t) {});
}

uint32_t sums_at_once(const SlotRange& range) {
  size_t most = 0;
  count_up(range, [&](size_t waiting) { most = std::max(most, waiting); });
  return static_cast<uint32_t>(most + 1);
}

/// One slot for each machine, in their order; each further one goes to the machine that would be ready with it
/// first.
std::vector<SlotRange> ranges_of(uint32_t slots, std::span<const double> speeds) {
  PRETRAIN_CHECK(std::ranges::any_of(speeds, [](double speed) { return speed > 0; }), "{} machines, no speed",
                 speeds.size());
  std::vector<uint32_t> counts(speeds.size(), 0);
  uint32_t left = slots;
  for (size_t i = 0; i < speeds.size() && left > 0; ++i) {
    if (speeds[i] <= 0) continue;
    counts[i] = 1;
    --left;
  }
  const auto time = [&](size_t i) {
    return speeds[i] > 0 ? (counts[i] + 1) / speeds[i] : std::numeric_limits<double>::infinity();
  };
  for (; left > 0; --left) {
    size_t first = 0;
    for (size_t i = 1; i < speeds.size(); ++i) {
      if (time(i) < time(first)) first = i;
    }
    ++counts[first];
  }
  std::vector<SlotRange> ranges;
  for (uint32_t at = 0; const uint32_t count : counts) {
    ranges.push_back({at, at + count});
    at += count;
  }
  return ranges;
}

}  // namespace pretrain
