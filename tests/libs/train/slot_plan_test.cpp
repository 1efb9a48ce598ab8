// SPDX-License-Identifier: Apache-2.0
#include "libs/train/slot_plan.h"

#include <algorithm>

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace pretrain
