// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/curve.h"

#include <cmath>
#include <map>
#include <random>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

nlohmann::json step_record(uint64_t step, double loss, bool applied = true) {
  nlohmann::json record{{"kind", "step"},      {"time", 1000.0 + static_cast<double>(step)},
                        {"step", step},        {"tokens", 10 * step},
                        {"epoch", step / 100}, {"loss", loss},
                        {"applied", applied},  {"learning_rate", 0.5}};
  return record;
}

void add(Curve& curve, uint64_t step, double loss) {
  curve.add(*point_of(step_record(step, loss)));
}

/// The points that a curve of this width must have, computed at once from all steps.
struct Bucket {
  uint64_t first = 0, last = 0, steps = 0;
  double sum = 0, least = INFINITY, greatest = -INFINITY;
};

std::map<uint64_t, Bucket> buckets_of(const std::map<uint64_t, double>& losses, uint64_t width) {
  std::map<uint64_t, Bucket> buckets;
  for (const auto& [step, loss] : losses) {
    Bucket& bucket = buckets[(step - 1) / width];
    if (bucket.steps++ == 0) bucket.first = step;
    bucket.last = step;
    bucket.sum += loss;
    bucket.least = std::min(bucket.least, loss);
    bucket.greatest = std::max(bucket.greatest, loss);
  }
  return buckets;
}

void expect_equal(const Curve& curve, const std::map<uint64_t, double>& losses) {
  const auto expected = buckets_of(losses, curve.width());
  const auto points = curve.all_points();
  ASSERT_EQ(points.size(), expected.size());
  size_t i = 0;
  for (const auto& [_, bucket] : expected) {
    const CurvePoint& point = points[i++];
    EXPECT_EQ(point.first_step, bucket.first);
    EXPECT_EQ(point.step, bucket.last);
    EXPECT_EQ(point.steps, bucket.steps);
    EXPECT_EQ(point.tokens, 10 * bucket.last);
    EXPECT_EQ(point.time, 1000.0 + static_cast<double>(bucket.last));
    const CurveValue* loss = point.value("loss");
    ASSERT_NE(loss, nullptr);
    EXPECT_NEAR(loss->mean, bucket.sum / static_cast<double>(bucket.steps), 1e-12);
    EXPECT_EQ(loss->least, bucket.least);
    EXPECT_EQ(loss->greatest, bucket.greatest);
  }
}

TEST(Curve, HasAPointForEachStepOfAShortRun) {
  Curve curve;
  std::map<uint64_t, double> losses;
  for (uint64_t step = 1; step <= 100; ++step)
    add(curve, step, losses[step] = 5.0 / static_cast<double>(step));
  EXPECT_EQ(curve.width(), 1U);
  EXPECT_EQ(curve.points().size(), 100U);
  EXPECT_FALSE(curve.open_point());
  expect_equal(curve, losses);
}

TEST(Curve, EqualsTheBucketsOfAllStepsWhateverWasRecorded) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    Curve curve(2 + 2 * (random() % 8));
    const uint64_t longest_gap = 1 + random() % 5;
    std::map<uint64_t, double> losses;
    uint64_t step = random() % 50;
    for (int i = 0; i < 300; ++i) {
      step += 1 + random() % longest_gap;
      add(curve, step, losses[step] = static_cast<double>(random() % 1000) / 100);
      ASSERT_NO_FATAL_FAILURE(expect_equal(curve, losses)) << "after step " << step;
    }
  }
}

TEST(Curve, KeepsStep1OfAMillionStepsInItsPoints) {
  Curve curve;
  CurvePoint point = *point_of(step_record(1, 9.0));
  for (uint64_t step = 1; step <= 1'000'000; ++step) {
    point.first_step = point.step = step;
    curve.add(point);
  }
  EXPECT_LT(curve.all_points().size(), Curve::kMostPoints + 1);
  EXPECT_GE(curve.all_points().size(), Curve::kMostPoints / 2);
  EXPECT_EQ(curve.points().front().first_step, 1U);
  EXPECT_EQ(curve.all_points().back().step, 1'000'000U);
  uint64_t steps = 0;
  for (const CurvePoint& p : curve.all_points()) steps += p.steps;
  EXPECT_EQ(steps, 1'000'000U);
}

TEST(Curve, CutAndFedAgainIsTheSameCurve) {
  for (const uint64_t cut : {0U, 1U, 7U, 8U, 63U, 64U, 100U, 150U}) {
    SCOPED_TRACE(cut);
    std::map<uint64_t, double> losses;
    Curve curve(16);
    for (uint64_t step = 1; step <= 100; ++step) add(curve, step, losses[step] = std::sqrt(step));
    curve.cut_after(cut);
    const uint64_t from = curve.complete_to() + 1;
    EXPECT_LE(from, std::min<uint64_t>(cut, 100) + 1);
    for (uint64_t step = from; step <= 100; ++step) add(curve, step, losses[step]);
    expect_equal(curve, losses);
  }
}

TEST(Curve, CountsNoStepTwice) {
  Curve curve;
  for (const uint64_t step : {1U, 2U, 2U, 1U, 3U}) add(curve, step, 1.0);
  EXPECT_EQ(curve.all_points().size(), 3U);
}

TEST(Curve, LeavesOutWhatIsNotFiniteAndCountsBadSteps) {
  Curve curve(2);
  for (uint64_t step = 1; step <= 4; ++step) {
    nlohmann::json record = step_record(step, 2.0 * static_cast<double>(step), step != 2);
    if (step == 2) record["loss"] = nullptr;
    curve.add(*point_of(record));
  }
  uint64_t bad = 0, counted = 0;
  for (const CurvePoint& point : curve.all_points()) {
    bad += point.bad_steps;
    counted += point.value("loss")->count;
    EXPECT_EQ(point.value("grad_norm"), nullptr);
  }
  EXPECT_EQ(bad, 1U);
  EXPECT_EQ(counted, 3U);
}

TEST(Curve, PointsAreTheSameAfterWritingAndReading) {
  Curve curve(8);
  for (uint64_t step = 1; step <= 50; ++step) add(curve, step, 1.0 / 3 + static_cast<double>(step % 7));
  Curve read(8);
  for (const CurvePoint& point : curve.points()) {
    const auto saved = saved_point_of(nlohmann::json::parse(to_record(point, curve.width()).dump()));
    ASSERT_TRUE(saved);
    read.add(saved->point, saved->width);
  }
  ASSERT_EQ(read.points().size(), curve.points().size());
  EXPECT_EQ(read.width(), curve.width());
  for (size_t i = 0; i < read.points().size(); ++i)
    EXPECT_EQ(to_record(read.points()[i], 1), to_record(curve.points()[i], 1));
}

TEST(Curve, APointThatIsDamagedIsRefused) {
  const nlohmann::json good = to_record(*point_of(step_record(5, 1.5)), 4);
  ASSERT_TRUE(saved_point_of(good));
  for (const auto& [key, value] : std::vector<std::pair<std::string, nlohmann::json>>{
           {"kind", "step"}, {"width", 3U}, {"width", 0U}, {"first_step", 0U}, {"step", 4U}, {"step", 9U}}) {
    nlohmann::json bad = good;
    bad[key] = value;
    EXPECT_FALSE(saved_point_of(bad)) << bad;
  }
  for (const nlohmann::json& value :
       {nlohmann::json("1"), nlohmann::json({1, 2, 3}), nlohmann::json({1, 2, nullptr, 1})}) {
    nlohmann::json bad = good;
    bad["values"]["loss"] = value;
    EXPECT_FALSE(saved_point_of(bad)) << bad;
  }
}

TEST(Curve, OnlyARecordOfAStepIsAPoint) {
  EXPECT_FALSE(point_of({{"kind", "evaluation"}, {"step", 3U}, {"validation_loss", 1.0}}));
  EXPECT_FALSE(point_of({{"kind", "step"}, {"loss", 1.0}}));
  EXPECT_TRUE(point_of({{"step", 3U}, {"step_seconds", 0.5}, {"loss", 1.0}}));  // of version 0.2.0
}

}  // namespace
}  // namespace pretrain
