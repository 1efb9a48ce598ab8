// SPDX-License-Identifier: Apache-2.0
#include "libs/optim/schedule.h"

#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "libs/base/error.h"

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

TEST(Schedule, NamesAreReadAndWritten) {
  for (const auto kind : {ScheduleKind::kConstant, ScheduleKind::kCosine}) {
    EXPECT_EQ(parse_schedule(to_string(kind)), kind);
  }
}

TEST(Schedule, AnUnknownNameIsAUsageError) {
  try {
    parse_schedule("cosin");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_NE(std::string(error.what()).find("'cosin'"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace pretrain
