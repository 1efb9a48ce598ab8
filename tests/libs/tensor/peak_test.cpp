// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/peak.h"

#include <gtest/gtest.h>

#include "tests/libs/tensor/kernel_testing.h"

namespace pretrain {
namespace {

// How fast this machine is now depends on what else runs on it. So rates are held only against what no
// machine can do, and what no neighbour can make so slow: one round is of some hundred million operations.
constexpr double kSlowest = 1e6;
constexpr double kFastestThread =
    2e13;  // no core does 2,000 FLOP in each of 10 G cycles a second; tiles do 1,024

TEST(Peak, IsPlausibleForAnyNumberOfThreads) {
  const test::MoreThreads more_threads;
  for (const int threads : {1, 2, 3}) {
    Compute compute(threads);
    for (const Precision precision : {Precision::kFloat32, fastest_precision()}) {
      const FmaRate rate = measure_fma_rate(compute, std::chrono::milliseconds(20), precision);
      EXPECT_GT(rate.mean, kSlowest) << threads;
      EXPECT_GE(rate.best, rate.mean * (1 - 1e-9)) << threads;
      EXPECT_LT(rate.best, threads * kFastestThread) << threads;
    }
  }
}

std::chrono::steady_clock::time_point at_second(int seconds) {
  return std::chrono::steady_clock::time_point(std::chrono::seconds(seconds));
}

TEST(Peak, CountsTheWorkOfAllThreadsOverTheTimeOfAll) {
  const std::vector<WorkSpan> one{{at_second(10), at_second(12), 6.0}};
  EXPECT_EQ(combined_rate(one), 3.0);
  const std::vector<WorkSpan> at_once{{at_second(10), at_second(12), 6.0},
                                      {at_second(10), at_second(12), 6.0}};
  EXPECT_EQ(combined_rate(at_once), 6.0);
  const std::vector<WorkSpan> in_turns{{at_second(12), at_second(14), 6.0},
                                       {at_second(10), at_second(12), 6.0}};
  EXPECT_EQ(combined_rate(in_turns), 3.0);
  const std::vector<WorkSpan> overlapping{{at_second(11), at_second(12), 2.0},
                                          {at_second(10), at_second(13), 3.0},
                                          {at_second(12), at_second(14), 3.0}};
  EXPECT_EQ(combined_rate(overlapping), 2.0);
}

TEST(Peak, SeenAgainOnlyRises) {
  Compute compute(1);
  FmaPeak peak(compute, Precision::kFloat32);
  EXPECT_EQ(peak.flops(), 0);
  for (int i = 0; i < 5; ++i) {
    const double before = peak.flops();
    peak.measure(std::chrono::milliseconds(1));
    EXPECT_GE(peak.flops(), std::max(before, kSlowest));
  }
}

TEST(Bandwidth, IsPositiveAndPlausible) {
  Compute compute(1);
  Buffer<float> memory(1 << 20);
  std::fill_n(memory.data(), memory.size(), 1.0F);
  const Bandwidth bandwidth = measure_bandwidth(compute, memory, std::chrono::milliseconds(20));
  for (const double rate : {bandwidth.read, bandwidth.copy}) {
    EXPECT_GT(rate, 1e4);  // a round moves some megabytes
    EXPECT_LT(rate, 1e13);
  }
  EXPECT_EQ(memory[memory.size() - 1], 1.0F);
}

TEST(Peak, NamesItsInstructionSet) {
  EXPECT_FALSE(vector_target().empty());
  EXPECT_NE(vector_target(), "Unknown");
}

}  // namespace
}  // namespace pretrain
