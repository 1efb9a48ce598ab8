#include "libs/tensor/peak.h"

#include <gtest/gtest.h>

#include "tests/libs/tensor/kernel_testing.h"

namespace pretrain {
namespace {

TEST(Peak, IsPositivePlausibleAndRepeatable) {
  Compute compute(1);
  const double first = measure_fma_peak(compute, std::chrono::milliseconds(100));
  const double second = measure_fma_peak(compute, std::chrono::milliseconds(100));
  EXPECT_GT(first, 1e9);
  EXPECT_LT(first, 1e12);  // no core does 100 FLOP in each of 10 G cycles a second
  // Neighbours take turns on the machine: the best of many short rounds still comes close to itself.
  EXPECT_LT(std::max(first, second) / std::min(first, second), 3);
}

TEST(Peak, SeenAgainOnlyRises) {
  Compute compute(1);
  FmaPeak peak(compute, Precision::kFloat32);
  EXPECT_EQ(peak.flops(), 0);
  for (int i = 0; i < 5; ++i) {
    const double before = peak.flops();
    peak.measure(std::chrono::milliseconds(1));
    EXPECT_GE(peak.flops(), std::max(before, 1e8));
  }
}

TEST(Bandwidth, IsPositiveAndPlausible) {
  Compute compute(1);
  Buffer<float> memory(1 << 20);
  std::fill_n(memory.data(), memory.size(), 1.0F);
  const Bandwidth bandwidth = measure_bandwidth(compute, memory, std::chrono::milliseconds(20));
  for (const double rate : {bandwidth.read, bandwidth.copy}) {
    EXPECT_GT(rate, 1e7);
    EXPECT_LT(rate, 1e13);
  }
  EXPECT_EQ(memory[memory.size() - 1], 1.0F);
}

TEST(Peak, CountsTheWorkOfAllThreads) {
  const test::MoreThreads more_threads;
  Compute one(1);
  Compute two(2);
  const auto duration = std::chrono::milliseconds(100);
  // Two threads on one free core still do what one does; neither may do more than twice as much, with some
  // slack.
  const double ratio = measure_fma_peak(two, duration) / measure_fma_peak(one, duration);
  EXPECT_GT(ratio, 0.3);
  EXPECT_LT(ratio, 6);
}

TEST(Peak, NamesItsInstructionSet) {
  EXPECT_FALSE(vector_target().empty());
  EXPECT_NE(vector_target(), "Unknown");
}

}  // namespace
}  // namespace pretrain
