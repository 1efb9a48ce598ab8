// SPDX-License-Identifier: Apache-2.0
// Everything between the corpus and the trainer is bounded, whichever of the two is faster.

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "tests/pipeline/corpus/corpus_testing.h"
#include "tests/pipeline/loader_testing.h"

namespace pretrain {
namespace {

using namespace test;

class LoaderBounds : public testing::Test {
 protected:
  /// About 100 tickets an epoch: several times what may be in flight.
  LoaderBounds() {
    for (uint64_t i = 0; i < 3; ++i) {
      folder_.write("shard" + std::to_string(i), random_shard(TextFormat::kDoc, i, 1000, 1000));
    }
    options_ = small_loader(folder_.path());
    options_.assembler.buffer.capacity = 100;
  }

  const TempFolder folder_;
  LoaderOptions options_;
};

void expect_within_bounds(const LoaderHighWater& high, const LoaderOptions& options) {
  EXPECT_LE(high.tickets, high.ticket_bound);
  EXPECT_LE(high.buffered_sequences, options.assembler.buffer.capacity);
  EXPECT_LE(high.queued_batches, options.queue_batches);
}

/// Gives the loader time to read on, until it has reached its bound.
size_t tickets_after_a_while(const Loader& loader) {
  const auto end = std::chrono::steady_clock::now() + kLongestWait;
  while (loader.high_water().tickets < loader.high_water().ticket_bound &&
         std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  return loader.high_water().tickets;
}

TEST_F(LoaderBounds, HoldWhileTheTrainerIsSlow) {
  for (const int workers : {1, 4}) {
    Session session(options_, workers);
    for (int step = 0; step < 30; ++step) {
      session.state();  // the trainer comes back when the queue is full
      session.take(1);
    }
    EXPECT_EQ(tickets_after_a_while(session.loader()), session.loader().high_water().ticket_bound);
    session.state();
    const LoaderHighWater high = session.loader().high_water();
    expect_within_bounds(high, options_);
    EXPECT_EQ(high.queued_batches, options_.queue_batches);
  }
}

TEST_F(LoaderBounds, HoldWhileTheTrainerIsFast) {
  for (const int workers : {1, 4}) {
    Session session(options_, workers);
    EXPECT_EQ(session.take(600).size(), 600u);
    const LoaderHighWater high = session.loader().high_water();
    expect_within_bounds(high, options_);
    EXPECT_GE(high.buffered_sequences + 1, options_.assembler.buffer.capacity) << "the buffer never filled";
    EXPECT_EQ(session.most_at_once(), static_cast<size_t>(workers));
  }
}

TEST_F(LoaderBounds, GrowWithTheWorkersOnly) {
  const auto bound_of = [&](int workers) {
    return Session(options_, workers).loader().high_water().ticket_bound;
  };
  EXPECT_LE(bound_of(1), 8u);
  EXPECT_LE(bound_of(8), 8 * bound_of(1));
}

TEST_F(LoaderBounds, TheFirstBatchLeavesBeforeTheBufferIsFull) {
  options_.assembler.buffer.capacity = 50'000;
  Session session(options_, 2);
  session.take(1);
  EXPECT_LT(session.loader().high_water().buffered_sequences, 1000u);
}

}  // namespace
}  // namespace pretrain
