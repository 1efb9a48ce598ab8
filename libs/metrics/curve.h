// SPDX-License-Identifier: Apache-2.0
#pragma once
// The curve of a run of any length in a bounded number of points: each point averages the steps of a bucket,
// and keeps their least and greatest values. When all points are used, neighbouring buckets are merged, so
// that the curve keeps its beginning.
//
//   Curve curve;
//   curve.add(point_of(record));
//   for (const CurvePoint& point : curve.points()) plot(point.step, point.value("loss")->mean);

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace pretrain {

/// The keys of a step's record that a curve averages.
constexpr std::array<std::string_view, 16> kCurveKeys{"loss",
                                                      "grad_norm",
                                                      "learning_rate",
                                                      "tokens_per_second",
                                                      "flops_utilization",
                                                      "step_seconds",
                                                      "forward_seconds",
                                                      "backward_seconds",
                                                      "loss_seconds",
                                                      "optimizer_seconds",
                                                      "data_wait_seconds",
                                                      "checkpoint_wait_seconds",
                                                      "resident_bytes",
                                                      "sequence_buffer",
                                                      "batch_queue",
                                                      "watts"};

/// The finite values of a key in the steps of a point.
struct CurveValue {
  uint64_t count = 0;  ///< 0: none, and the others have no meaning
  double mean = 0, least = 0, greatest = 0;
};

/// One step, or several consecutive ones.
struct CurvePoint {
  double time = 0;  ///< seconds since 1970, of the last step; 0: not known
  uint64_t first_step = 0, step = 0;
  uint64_t steps = 0;      ///< that were recorded
  uint64_t bad_steps = 0;  ///< of them, not applied
  uint64_t tokens = 0;     ///< trained in the run after the last step
  uint64_t epoch = 0;      ///< of the last step
  std::array<CurveValue, kCurveKeys.size()> values{};

  /// The values of a key of kCurveKeys; null if no step had a finite one.
  const CurveValue* value(std::string_view key) const;
};

/// Makes `into` the point of its steps and of the steps of `later`, which follow it.
void merge(CurvePoint& into, const CurvePoint& later);

/// The record of a step as a point; nothing for another record.
std::optional<CurvePoint> point_of(const nlohmann::json& step_record);

/// `width`: of the buckets.
nlohmann::json to_record(const CurvePoint& point, uint64_t width);

/// A point and the width of its bucket, as to_record() wrote it; nothing for another record.
struct SavedPoint {
  CurvePoint point;
  uint64_t width = 0;
};
std::optional<SavedPoint> saved_point_of(const nlohmann::json& record);

/// A function of the points added, in order. Bucket i holds the steps i * width + 1 to (i + 1) * width.
/// Single-owner.
class Curve {
 public:
  static constexpr size_t kMostPoints = 4096;

  /// Requires: `most_points` is at least 2.
  explicit Curve(size_t most_points = kMostPoints) : most_points_(most_points) {}

  /// Adds the steps after the last one. Ignores a point whose steps are not later, so that the same steps
  /// never count twice.
  void add(const CurvePoint& point, uint64_t width = 1);

  /// Removes the points whose bucket ends after the step, and what was added since the last complete point.
  void cut_after(uint64_t step);

  /// Of complete buckets. All but those of the first and last point may change when buckets are merged.
  const std::vector<CurvePoint>& points() const { return points_; }
  /// The steps since then; nothing if there are none.
  const std::optional<CurvePoint>& open_point() const { return open_; }
  /// Both together.
  std::vector<CurvePoint> all_points() const;
  /// Steps of a bucket: a power of two.
  uint64_t width() const { return width_; }
  /// How many times buckets were merged.
  uint64_t merges() const { return merges_; }
  /// The last step of the last complete bucket; 0 before the first.
  uint64_t complete_to() const { return complete_to_; }

 private:
  uint64_t bucket_of(const CurvePoint& point) const { return (point.first_step - 1) / width_; }
  void close_bucket();
  void widen();
  void open_half_bucket();

  size_t most_points_;
  uint64_t width_ = 1;
  uint64_t merges_ = 0;
  uint64_t complete_to_ = 0;
  std::vector<CurvePoint> points_;
  std::optional<CurvePoint> open_;
};

}  // namespace pretrain
