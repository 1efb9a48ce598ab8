// SPDX-License-Identifier: Apache-2.0
#include "pipeline/batch_queue.h"

#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "libs/base/error.h"

namespace pretrain {
namespace {

Batch numbered(uint64_t number) {
  return {.number = number};
}

TEST(BatchQueue, GivesBatchesInOrder) {
  BatchQueue queue(3);
  for (uint64_t i = 0; i < 3; ++i) queue.push(numbered(i));
  for (uint64_t i = 0; i < 3; ++i) {
    const auto batch = queue.pop({});
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->number, i);
  }
}

TEST(BatchQueue, HasRoomUntilItIsFullOrClosed) {
  BatchQueue queue(2);
  EXPECT_TRUE(queue.has_room());
  queue.push(numbered(0));
  queue.push(numbered(1));
  EXPECT_FALSE(queue.has_room());
  EXPECT_EQ(queue.high_water(), 2u);
  ASSERT_TRUE(queue.pop({}));
  EXPECT_TRUE(queue.has_room());
  queue.close();
  EXPECT_FALSE(queue.has_room());
}

TEST(BatchQueue, DeliversWhatItHoldsAfterItWasClosed) {
  BatchQueue queue(3);
  queue.push(numbered(7));
  queue.close();
  const auto batch = queue.pop({});
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->number, 7u);
  EXPECT_FALSE(queue.pop({}));
  EXPECT_FALSE(queue.pop({}));
}

TEST(BatchQueue, ThrowsTheFirstErrorBehindTheBatches) {
  BatchQueue queue(3);
  queue.push(numbered(7));
  queue.close(std::make_exception_ptr(std::logic_error("first")));
  queue.close(std::make_exception_ptr(std::runtime_error("second")));
  EXPECT_TRUE(queue.pop({}));
  EXPECT_THROW((void)queue.pop({}), std::logic_error);
  EXPECT_THROW((void)queue.pop({}), std::logic_error);
}

TEST(BatchQueue, WakesAConsumerThatWaits) {
  BatchQueue queue(1);
  std::optional<Batch> batch;
  std::jthread consumer([&] { batch = queue.pop({}); });
  queue.push(numbered(3));
  consumer.join();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->number, 3u);
}

TEST(BatchQueue, AStopWakesWhoeverWaits) {
  BatchQueue queue(1);
  std::stop_source stop;
  std::jthread popping([&] { EXPECT_THROW((void)queue.pop(stop.get_token()), Stopped); });
  std::jthread filling([&] { queue.wait_until_full(stop.get_token()); });
  stop.request_stop();
}

TEST(BatchQueue, WaitsUntilItIsFull) {
  BatchQueue queue(2);
  std::jthread producer([&] {
    queue.push(numbered(0));
    queue.push(numbered(1));
  });
  queue.wait_until_full({});
  EXPECT_EQ(queue.size(), 2u);
  queue.read([](const std::deque<Batch>& batches) { EXPECT_EQ(batches.at(1).number, 1u); });
}

TEST(BatchQueue, IsAsFullAsItGetsWhenItIsClosed) {
  BatchQueue queue(2);
  queue.push(numbered(0));
  queue.close();
  queue.wait_until_full({});
  EXPECT_EQ(queue.size(), 1u);
}

TEST(BatchQueue, PassesEverythingBetweenTwoThreads) {
  BatchQueue queue(4);
  std::jthread producer([&] {
    for (uint64_t i = 0; i < 2000;) {
      if (queue.has_room()) {
        queue.push(numbered(i++));
      } else {
        std::this_thread::yield();
      }
    }
    queue.close();
  });
  uint64_t count = 0;
  while (const auto batch = queue.pop({})) EXPECT_EQ(batch->number, count++);
  EXPECT_EQ(count, 2000u);
  EXPECT_LE(queue.high_water(), 4u);
}

}  // namespace
}  // namespace pretrain
