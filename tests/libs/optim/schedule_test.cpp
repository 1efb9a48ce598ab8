// SPDX-License-Identifier: Apache-2.0
#include "libs/optim/schedule.h"

#include <cmath>
#include <map>
#include <vector>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

constexpr double kTolerance = 1e-12;

TEST(Schedule, WarmsUpLinearlyFromTheFirstStep) {
  const Schedule schedule{.peak = 0.5, .warmup_steps = 10};
  EXPECT_NEAR(schedule.at(1), 0.05, kTolerance);
  EXPECT_NEAR(schedule.at(5), 0.25, kTolerance);
  EXPECT_NEAR(schedule.at(10), 0.5, kTolerance);
}

TEST(Schedule, ConstantStaysAtThePeak) {
  const Schedule warmed{.peak = 0.5, .warmup_steps = 10};
  EXPECT_EQ(warmed.at(11), 0.5);
  EXPECT_EQ(warmed.at(1'000'000'000), 0.5);
  EXPECT_EQ(Schedule{.peak = 0.5}.at(1), 0.5);
}

TEST(Schedule, AScaleIsOfAllItsRates) {
  Schedule schedule{
      .kind = ScheduleKind::kWsd, .peak = 0.5, .warmup_steps = 10, .total_steps = 100, .cooldown_share = 0.3};
  const Schedule plain = schedule;
  schedule.scale = rate_scale_of_batch(4096, 1024);
  for (const uint64_t step : {1U, 7U, 50U, 90U, 100U, 200U})
    EXPECT_NEAR(schedule.at(step), 2 * plain.at(step), kTolerance) << step;
}

TEST(Schedule, AShapeIsOfCooldownsAlone) {
  const Schedule line{.kind = ScheduleKind::kLinear, .peak = 0.5, .warmup_steps = 10, .total_steps = 100};
  Schedule shaped = line;
  shaped.cooldown_shape = CooldownShape::kOneMinusRoot;
  for (const uint64_t step : {5U, 11U, 50U, 99U, 100U}) EXPECT_EQ(shaped.at(step), line.at(step)) << step;
  shaped.kind = ScheduleKind::kWsd;
  shaped.cooldown_share = 0.9;
  EXPECT_LT(shaped.at(50), line.at(50));
}

TEST(BatchRamp, GrowsFromOneToTheMost) {
  const BatchRamp ramp{.steps = 6, .most = 4};
  std::vector<uint32_t> batches;
  for (uint64_t step = 1; step <= 8; ++step) batches.push_back(ramp.at(step));
  EXPECT_EQ(batches, (std::vector<uint32_t>{1, 1, 2, 2, 3, 3, 4, 4}));
  EXPECT_EQ(BatchRamp{.most = 4}.at(1), 4U);
  const BatchRamp long_ramp{.steps = 1'000'000, .most = 4096};
  EXPECT_EQ(long_ramp.at(1), 1U);
  EXPECT_EQ(long_ramp.at(1'000'000), 4095U);
}

TEST(BatchRamp, KnowsTheStepsOfSoManyBatches) {
  const BatchRamp ramp{.steps = 6, .most = 4};
  for (const auto& [batches, steps] :
       std::map<double, uint64_t>{{0, 0}, {1, 1}, {2, 2}, {3, 3}, {12, 6}, {12.5, 7}, {16, 7}, {17, 8}})
    EXPECT_EQ(ramp.steps_for(batches), steps) << batches;
  EXPECT_EQ((BatchRamp{.most = 4}.steps_for(9)), 3U);
}

TEST(Schedule, ASmallerStepHasASmallerRate) {
  const Schedule schedule{.peak = 0.5, .ramp = {.steps = 6, .most = 4}};
  EXPECT_NEAR(schedule.at(1), 0.25, kTolerance);
  EXPECT_NEAR(schedule.at(5), 0.5 * std::sqrt(0.75), kTolerance);
  EXPECT_NEAR(schedule.at(7), 0.5, kTolerance);
}

TEST(Schedule, CosineFallsFromThePeakToItsFinalShare) {
  const Schedule schedule{
      .kind = ScheduleKind::kCosine, .peak = 2, .final_share = 0.1, .warmup_steps = 100, .total_steps = 300};
  EXPECT_NEAR(schedule.at(100), 2, kTolerance);
  EXPECT_NEAR(schedule.at(150), 2 * (0.1 + 0.9 * 0.5 * (1 + std::sqrt(0.5))), kTolerance);
  EXPECT_NEAR(schedule.at(200), 2 * 0.55, kTolerance);
  EXPECT_NEAR(schedule.at(300), 0.2, kTolerance);
  for (uint64_t step = 101; step <= 300; ++step) EXPECT_LT(schedule.at(step), schedule.at(step - 1)) << step;
}

TEST(Schedule, CosineStaysAtItsEndBeyondTheTotal) {
  const Schedule schedule{.kind = ScheduleKind::kCosine, .peak = 2, .final_share = 0.1, .total_steps = 30};
  EXPECT_NEAR(schedule.at(31), 0.2, kTolerance);
  EXPECT_NEAR(schedule.at(10'000), 0.2, kTolerance);
}

TEST(Schedule, ARunShorterThanItsWarmupStillWarmsUp) {
  const Schedule schedule{.kind = ScheduleKind::kCosine, .peak = 1, .warmup_steps = 100, .total_steps = 50};
  EXPECT_NEAR(schedule.at(50), 0.5, kTolerance);
  EXPECT_NEAR(schedule.at(101), 1, kTolerance);
}

TEST(Schedule, HasTheDocumentedDefaults) {
  EXPECT_EQ(Schedule().at(1), 1e-3);
  const Schedule cosine{.kind = ScheduleKind::kCosine, .total_steps = 10};
  EXPECT_NEAR(cosine.at(10), 1e-4, kTolerance);
}

TEST(Schedule, CosineBeginsRightAfterTheWarmup) {
  const Schedule schedule{
      .kind = ScheduleKind::kCosine, .peak = 1, .final_share = 0, .warmup_steps = 3, .total_steps = 7};
  const double pi = std::acos(-1.0);
  EXPECT_NEAR(schedule.at(1), 1.0 / 3, kTolerance);
  EXPECT_NEAR(schedule.at(3), 1, kTolerance);
  for (const uint64_t step : {4U, 5U, 6U, 7U}) {
    EXPECT_NEAR(schedule.at(step), 0.5 * (1 + std::cos(pi * static_cast<double>(step - 3) / 4)), kTolerance)
        << step;
  }
}

TEST(Schedule, LinearFallsToZeroOneStepAfterItsEnd) {
  const Schedule schedule{.kind = ScheduleKind::kLinear, .peak = 2, .warmup_steps = 100, .total_steps = 299};
  EXPECT_NEAR(schedule.at(50), 1, kTolerance);
  EXPECT_NEAR(schedule.at(100), 2, kTolerance);
  for (uint64_t step = 101; step <= 299; ++step) {
    EXPECT_NEAR(schedule.at(step), 2 * (300.0 - static_cast<double>(step)) / 200, kTolerance) << step;
  }
  EXPECT_NEAR(schedule.at(300), 0.01, kTolerance) << "what it is at its end";
  EXPECT_NEAR(schedule.at(100'000), 0.01, kTolerance);
}

/// Written from the papers' formulas, with the step as a real number.
double wsd(double step, double total, double warmup, double share, bool is_root) {
  const double start = total - share * total;
  if (step <= warmup) return step / warmup;
  if (step <= start) return 1;
  const double done = (step - start) / (total + 1 - start);
  return is_root ? 1 - std::sqrt(done) : 1 - done;
}

TEST(Schedule, WsdIsConstantAndThenCoolsDownOverItsShare) {
  for (const CooldownShape shape : {CooldownShape::kLinear, CooldownShape::kOneMinusRoot}) {
    for (const double share : {0.1, 0.25, 0.5}) {
      const Schedule schedule{.kind = ScheduleKind::kWsd,
                              .peak = 3e-3,
                              .warmup_steps = 40,
                              .total_steps = 400,
                              .cooldown_share = share,
                              .cooldown_shape = shape};
      EXPECT_EQ(static_cast<double>(schedule.stable_until()), 400 - share * 400);
      for (uint64_t step = 1; step <= 400; ++step) {
        const double expected =
            3e-3 * wsd(static_cast<double>(step), 400, 40, share, shape == CooldownShape::kOneMinusRoot);
        EXPECT_NEAR(schedule.at(step), expected, 1e-15) << step << ", " << share;
      }
      EXPECT_GT(schedule.at(400), 0) << "the last step still teaches";
      EXPECT_EQ(schedule.at(401), schedule.at(400));
    }
  }
}

TEST(Schedule, OneMinusRootFallsFasterThanALineFirst) {
  Schedule schedule{.kind = ScheduleKind::kWsd, .peak = 1, .total_steps = 99, .cooldown_share = 1};
  const double line = schedule.at(25);
  schedule.cooldown_shape = CooldownShape::kOneMinusRoot;
  EXPECT_NEAR(line, 0.75, kTolerance);
  EXPECT_NEAR(schedule.at(25), 0.5, kTolerance);
}

TEST(Schedule, ACooldownIsTheSameFallFromAGivenStep) {
  const Schedule wsd{.kind = ScheduleKind::kWsd,
                     .peak = 0.5,
                     .warmup_steps = 10,
                     .total_steps = 200,
                     .cooldown_share = 0.3,
                     .cooldown_shape = CooldownShape::kOneMinusRoot};
  Schedule cooldown = wsd;
  cooldown.kind = ScheduleKind::kCooldown;
  cooldown.cooldown_start = 140;
  for (uint64_t step = 1; step <= 210; ++step) EXPECT_EQ(cooldown.at(step), wsd.at(step)) << step;
}

/// What makes it possible to decide the length of a run while it trains.
TEST(Schedule, ACooldownHasTheNearestNumberOfSteps) {
  const auto stable_until = [](uint64_t steps) {
    return Schedule{.kind = ScheduleKind::kWsd, .total_steps = steps, .cooldown_share = 0.25}.stable_until();
  };
  EXPECT_EQ(stable_until(100), 75U);
  EXPECT_EQ(stable_until(101), 76U);
  EXPECT_EQ(stable_until(102), 76U);  // of 25.5 steps, 26
  EXPECT_EQ(stable_until(103), 77U);
}

TEST(Schedule, WsdsOfAnyLengthAgreeUntilTheFirstCoolsDown) {
  const Schedule shorter{
      .kind = ScheduleKind::kWsd, .peak = 1, .warmup_steps = 5, .total_steps = 100, .cooldown_share = 0.2};
  Schedule longer = shorter;
  longer.total_steps = 1000;
  for (uint64_t step = 1; step <= 80; ++step) EXPECT_EQ(shorter.at(step), longer.at(step)) << step;
  EXPECT_LT(shorter.at(81), longer.at(81));
}

TEST(Schedule, ACooldownWithinTheWarmupStartsAfterIt) {
  const Schedule schedule{
      .kind = ScheduleKind::kWsd, .peak = 1, .warmup_steps = 60, .total_steps = 99, .cooldown_share = 0.9};
  EXPECT_EQ(schedule.stable_until(), 60U);
  EXPECT_NEAR(schedule.at(60), 1, kTolerance);
  EXPECT_NEAR(schedule.at(70), 0.75, kTolerance);
}

TEST(Schedule, OnlyTheConstantOneHasNoEnd) {
  for (const auto& row : kSchedules)
    EXPECT_EQ(Schedule{.kind = row.value}.has_end(), row.value != ScheduleKind::kConstant) << row.name;
}

}  // namespace
}  // namespace pretrain
