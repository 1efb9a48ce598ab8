#include "libs/tensor/compute.h"

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "libs/tensor/buffer.h"
#include "tests/libs/tensor/kernel_testing.h"

namespace pretrain {
namespace {

TEST(Compute, RunsOnAsManyThreadsAsItHasSlots) {
  const test::MoreThreads more_threads;
  constexpr size_t kThreads = 3;
  Compute compute(kThreads);
  std::atomic<size_t> arrived{0};
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::set<int> slots;
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  compute.parallel_for(kThreads, [&](size_t) {
    // No task ends before all have begun, so each has a thread of its own.
    for (++arrived; arrived < kThreads && std::chrono::steady_clock::now() < patience;)
      std::this_thread::yield();
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
    slots.insert(Compute::slot());
  });
  EXPECT_EQ(threads.size(), kThreads);
  EXPECT_EQ(slots, (std::set<int>{0, 1, 2}));
}

TEST(Compute, GivesEachThreadScratchOfItsOwn) {
  const test::MoreThreads more_threads;
  Compute compute(3);
  std::atomic<int> disturbed{0};
  compute.parallel_for(64, [&](size_t i) {
    float* scratch = compute.scratch();
    std::fill_n(scratch, Compute::kScratchFloats, static_cast<float>(i));
    std::this_thread::yield();
    for (int64_t k = 0; k < Compute::kScratchFloats; k += 997)
      disturbed += scratch[k] != static_cast<float>(i);
  });
  EXPECT_EQ(disturbed, 0);
}

TEST(Compute, CallsEachIndexOnce) {
  Compute compute(2);
  std::vector<std::atomic<int>> calls(1000);
  compute.parallel_for(calls.size(), [&](size_t i) { ++calls[i]; });
  for (size_t i = 0; i < calls.size(); ++i) EXPECT_EQ(calls[i], 1) << i;
  compute.parallel_for(0, [&](size_t) { FAIL(); });
}

TEST(Compute, CutsRangesByTheirGrainAlone) {
  Compute compute(2);
  std::mutex mutex;
  std::set<std::pair<size_t, size_t>> pieces;
  compute.parallel_ranges(10, 4, [&](size_t begin, size_t end) {
    const std::lock_guard lock(mutex);
    pieces.emplace(begin, end);
  });
  EXPECT_EQ(pieces, (std::set<std::pair<size_t, size_t>>{{0, 4}, {4, 8}, {8, 10}}));
}

TEST(Buffer, IsAlignedToCacheLines) {
  for (size_t size = 1; size < 40; ++size) {
    const Buffer<float> buffer(size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0U);
    EXPECT_EQ(buffer.size(), size);
  }
  EXPECT_EQ(Buffer<float>(0).data(), nullptr);
}

TEST(Compute, RecordsLoopsWhileAsked) {
  Compute compute(1);
  std::vector<ParallelLoop> loops;
  compute.parallel_for(3, [](size_t) {});
  compute.record_loops(&loops);
  compute.parallel_for(7, [](size_t) {});
  compute.parallel_ranges(10, 4, [](size_t, size_t) {});
  compute.record_loops(nullptr);
  compute.parallel_for(5, [](size_t) {});
  ASSERT_EQ(loops.size(), 2U);
  EXPECT_EQ(loops[0].count, 7U);
  EXPECT_EQ(loops[1].count, 3U);
  EXPECT_GE(loops[0].seconds, 0);
}

}  // namespace
}  // namespace pretrain
