// SPDX-License-Identifier: Apache-2.0
#include "libs/train/slot_plan.h"

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "libs/base/rng.h"

namespace pretrain {
namespace {

TEST(SlotPlan, SlotsCoverTheRowsInOrderAndDifferByOneAtMost) {
  for (const int64_t rows : {1, 2, 7, 16, 63, 4096}) {
    for (uint32_t slots = 1; slots <= 16; ++slots) {
      int64_t next = 0, least = rows, most = 0;
      for (uint32_t slot = 0; slot < slots; ++slot) {
        const RowRange range = rows_of_slot(rows, slots, slot);
        ASSERT_EQ(range.first, next);
        next = range.last;
        least = std::min(least, range.size());
        most = std::max(most, range.size());
      }
      EXPECT_EQ(next, rows) << slots;
      EXPECT_LE(most - least, 1) << rows << " rows, " << slots << " slots";
    }
  }
}

TEST(SlotPlan, OneSlotHasWholeBatches) {
  EXPECT_EQ(most_rows_at_once(4, 1, 1), 4);
  EXPECT_EQ(most_rows_at_once(4, 3, 1), 4);
}

TEST(SlotPlan, ASlotIsComputedBatchByBatch) {
  EXPECT_EQ(most_rows_at_once(4, 1, 4), 1);
  EXPECT_EQ(most_rows_at_once(4, 1, 3), 2);  // 1, 1 and 2 rows
  EXPECT_EQ(most_rows_at_once(4, 2, 2), 4);
  EXPECT_EQ(most_rows_at_once(5, 2, 4), 3);  // rows 0-1, 2-4, 5-6, 7-9
  EXPECT_EQ(most_rows_at_once(3, 3, 2), 3);  // rows 0-3, 4-8: the last three are those of a batch
}

TEST(SlotPlan, SumsAreAsManyAsTheDigitsOfACounter) {
  EXPECT_EQ(sums_at_once(1), 1U);
  EXPECT_EQ(sums_at_once(2), 2U);
  EXPECT_EQ(sums_at_once(3), 2U);
  EXPECT_EQ(sums_at_once(4), 3U);
  EXPECT_EQ(sums_at_once(7), 3U);
  EXPECT_EQ(sums_at_once(8), 4U);
  EXPECT_EQ(sums_at_once(1024), 11U);
}

// Sums as texts such as "((0 1) 2)", which show each addition and its order.

void write_sum(std::string& left, const std::string& right) {
  left = fmt::format("({} {})", left, right);
}

/// By the definition of the tree.
std::string tree_of(uint32_t first, uint32_t last) {
  if (last - first == 1) return std::to_string(first);
  const uint32_t middle = first + std::bit_floor(last - first - 1);
  return fmt::format("({} {})", tree_of(first, middle), tree_of(middle, last));
}

/// The sums that a machine with these slots has, by adding slot after slot.
std::vector<SumStack<std::string>::Entry> sums_of(const SlotRange& range) {
  SumStack<std::string> stack;
  for (uint32_t slot = range.first; slot < range.last; ++slot)
    stack.push({0, slot}, std::to_string(slot), write_sum);
  return stack.entries();
}

/// The sum that machines with these slots have together.
std::string shared_sum(const std::vector<SlotRange>& ranges) {
  SumStack<std::string> stack;
  for (const SlotRange& range : ranges) {
    for (const auto& entry : sums_of(range)) stack.push(entry.node, entry.sum, write_sum);
  }
  stack.fold(write_sum);
  return stack.entries().front().sum;
}

/// Cuts after the slots whose bits are set.
std::vector<SlotRange> ranges_cut_at(uint32_t slots, uint64_t bits) {
  std::vector<SlotRange> ranges{{0, 0}};
  for (uint32_t slot = 0; slot < slots; ++slot) {
    ranges.back().last = slot + 1;
    if (slot + 1 < slots && (bits >> slot & 1U) != 0) ranges.push_back({slot + 1, slot + 1});
  }
  return ranges;
}

TEST(SlotPlan, OneMachineAddsInTheFixedTree) {
  for (uint32_t slots = 1; slots <= 64; ++slots) EXPECT_EQ(shared_sum({{0, slots}}), tree_of(0, slots));
}

TEST(SlotPlan, EveryPartitionGivesTheTreeOfOneMachine) {
  for (uint32_t slots = 1; slots <= 12; ++slots) {
    const std::string tree = tree_of(0, slots);
    for (uint64_t bits = 0; bits < uint64_t{1} << (slots - 1); ++bits)
      ASSERT_EQ(shared_sum(ranges_cut_at(slots, bits)), tree) << slots << " slots, cuts " << bits;
  }
}

TEST(SlotPlan, RandomPartitionsOfManySlotsGiveTheTreeOfOneMachine) {
  Rng rng(1);
  for (uint32_t slots = 13; slots <= 64; ++slots) {
    const std::string tree = tree_of(0, slots);
    for (int i = 0; i < 20; ++i) {
      std::vector<SlotRange> ranges = ranges_cut_at(slots, rng.next() & rng.next());
      const SlotRange& before = ranges[rng.below(ranges.size())];
      const SlotRange idle{before.last, before.last};
      ranges.insert(std::ranges::find(ranges, before) + 1, idle);  // a machine without a slot
      ASSERT_EQ(shared_sum(ranges), tree);
    }
  }
}

TEST(SlotPlan, AMachineSendsFewSums) {
  for (uint32_t slots = 2; slots <= 64; ++slots) {
    const auto most = 2 * static_cast<size_t>(std::bit_width(slots - 1));
    for (uint32_t first = 0; first < slots; ++first) {
      for (uint32_t last = first; last <= slots; ++last) {
        const std::vector<SumNode> nodes = complete_sums({first, last});
        ASSERT_LE(nodes.size(), most);
        const auto sums = sums_of({first, last});
        ASSERT_EQ(nodes.size(), sums.size());
        for (size_t i = 0; i < nodes.size(); ++i) ASSERT_EQ(nodes[i], sums[i].node);
        ASSERT_LE(nodes.size(), sums_at_once(SlotRange{first, last}));
      }
    }
  }
}

TEST(SlotPlan, AddingInAnotherOrderIsFound) {
  SumStack<std::string> stack;
  for (const SlotRange& range : {SlotRange{2, 4}, SlotRange{0, 2}}) {  // as they arrive
    for (const auto& entry : sums_of(range)) stack.push(entry.node, entry.sum, write_sum);
  }
  stack.fold(write_sum);
  EXPECT_NE(stack.entries().front().sum, tree_of(0, 4));
  EXPECT_NE(shared_sum({{0, 2}, {0, 2}, {2, 4}}), tree_of(0, 4));  // one part twice
}

TEST(SlotPlan, AllSlotsAtOnceNeedAsManySumsAsOneMachinePlans) {
  for (uint32_t slots = 1; slots <= 64; ++slots)
    EXPECT_EQ(sums_at_once(SlotRange{0, slots}), sums_at_once(slots)) << slots;
}

std::vector<uint32_t> sizes_of(uint32_t slots, const std::vector<double>& speeds) {
  std::vector<uint32_t> sizes;
  uint32_t next = 0;
  for (const SlotRange& range : ranges_of(slots, speeds)) {
    EXPECT_EQ(range.first, next);
    next = range.last;
    sizes.push_back(range.size());
  }
  EXPECT_EQ(next, slots);
  return sizes;
}

TEST(SlotPlan, EqualMachinesGetEqualShares) {
  EXPECT_EQ(sizes_of(8, {1, 1}), (std::vector<uint32_t>{4, 4}));
  EXPECT_EQ(sizes_of(8, {3, 3, 3}), (std::vector<uint32_t>{3, 3, 2}));
}

TEST(SlotPlan, ASlowMachineGetsFewerSlots) {
  EXPECT_EQ(sizes_of(8, {1, 3}), (std::vector<uint32_t>{2, 6}));
  EXPECT_EQ(sizes_of(8, {100, 1}), (std::vector<uint32_t>{7, 1}));
}

TEST(SlotPlan, AMachineWithoutSpeedGetsNone) {
  EXPECT_EQ(sizes_of(4, {1, 0, 1}), (std::vector<uint32_t>{2, 0, 2}));
  EXPECT_EQ(sizes_of(2, {1, 1, 1}), (std::vector<uint32_t>{1, 1, 0}));
}

}  // namespace
}  // namespace pretrain
