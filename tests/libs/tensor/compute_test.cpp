// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/compute.h"

#include <atomic>
#include <limits>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#if defined(__SSE__)
#include <immintrin.h>
#endif

#include "libs/tensor/buffer.h"
#include "tests/libs/tensor/kernel_testing.h"

namespace pretrain {
namespace {

TEST(Compute, RunsOnAsManyThreadsAsItHasSlots) {
  const test::MoreThreads more_threads;
  Compute compute(3);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::set<int> slots;
  test::on_each_thread(compute, [&] {
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
    slots.insert(Compute::slot());
  });
  EXPECT_EQ(threads.size(), 3U);
  EXPECT_EQ(slots, (std::set<int>{0, 1, 2}));
}

#if defined(__SSE__)

/// A tenth of the smallest normal number. Volatile: the compiler would compute it otherwise.
float denormal_product() {
  volatile float smallest = std::numeric_limits<float>::min();
  volatile float tenth = 0.1F;
  return smallest * tenth;
}

/// The same in the other direction: a denormal operand counts as zero.
float product_of_a_denormal() {
  volatile float denormal = std::numeric_limits<float>::denorm_min();
  volatile float large = 1e30F;
  return denormal * large;
}

/// A new thread begins as the one that starts it, so it has to be told.
void keep_denormals() {
  constexpr unsigned kFlushToZeroAndDenormalsAreZero = 0x8040;
  _mm_setcsr(_mm_getcsr() & ~kFlushToZeroAndDenormalsAreZero);
}

/// As the program does: oneTBB is first used by a thread that keeps denormals.
TEST(Compute, FlushesDenormalsOnEachThreadThatWorksInIt) {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::atomic<int> kept{0};
  std::thread([&] {
    keep_denormals();
    EXPECT_NE(denormal_product(), 0);
    EXPECT_NE(product_of_a_denormal(), 0);
    const test::MoreThreads more_threads;
    Compute compute(3);
    test::on_each_thread(compute, [&] {
      kept += denormal_product() != 0 || product_of_a_denormal() != 0;
      const std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
    });
  }).join();
  EXPECT_EQ(kept, 0);
  EXPECT_EQ(threads.size(), 3U);
}

/// A thread may train with what another one prepared.
TEST(Compute, FlushesDenormalsOfAThreadThatDidNotMakeIt) {
  Compute compute(1);
  std::thread([&] {
    keep_denormals();
    compute.parallel_for(1, [&](size_t) {
      EXPECT_EQ(denormal_product(), 0);
      EXPECT_EQ(product_of_a_denormal(), 0);
    });
  }).join();
}

TEST(Compute, WorksOnAfterALoopThatThrew) {
  Compute compute(2);
  EXPECT_THROW(compute.parallel_for(4, [](size_t) { throw std::runtime_error("planted"); }),
               std::runtime_error);
  std::atomic<int> calls{0};
  compute.parallel_for(4, [&](size_t) { ++calls; });
  EXPECT_EQ(calls, 4);
}

TEST(Compute, FlushesDenormalsOnTheThreadThatMadeIt) {
  float product = 1;
  float other = 1;
  std::thread([&] {
    keep_denormals();
    const Compute compute(1);
    product = denormal_product();
    other = product_of_a_denormal();
  }).join();
  EXPECT_EQ(product, 0);
  EXPECT_EQ(other, 0);
}

#endif  // x86

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
