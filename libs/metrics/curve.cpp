// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/curve.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <utility>

#include "libs/metrics/record.h"

namespace pretrain {
namespace {

void merge(CurveValue& into, const CurveValue& later) {
  if (later.count == 0) return;
  if (into.count == 0) {
    into = later;
    return;
  }
  into.count += later.count;
  into.mean +=
      (later.mean - into.mean) * (static_cast<double>(later.count) / static_cast<double>(into.count));
  into.least = std::min(into.least, later.least);
  into.greatest = std::max(into.greatest, later.greatest);
}

uint64_t count_in(const nlohmann::json& record, const char* key) {
  const auto found = record.find(key);
  return found != record.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

std::optional<CurveValue> to_value(const nlohmann::json& json) {
  if (!json.is_array() || json.size() != 4 || !json[3].is_number_unsigned()) return std::nullopt;
  for (size_t i = 0; i < 3; ++i) {
    if (!json[i].is_number() || !std::isfinite(json[i].get<double>())) return std::nullopt;
  }
  return CurveValue{.count = json[3].get<uint64_t>(),
                    .mean = json[0].get<double>(),
                    .least = json[1].get<double>(),
                    .greatest = json[2].get<double>()};
}

}  // namespace

void merge(CurvePoint& into, const CurvePoint& later) {
  into.time = later.time;
  into.step = later.step;
  into.steps += later.steps;
  into.bad_steps += later.bad_steps;
  into.tokens = later.tokens;
  into.epoch = later.epoch;
  for (size_t i = 0; i < into.values.size(); ++i) merge(into.values[i], later.values[i]);
}

const CurveValue* CurvePoint::value(std::string_view key) const {
  const auto found = std::ranges::find(kCurveKeys, key);
  if (found == kCurveKeys.end()) return nullptr;
  const CurveValue& value = values[static_cast<size_t>(found - kCurveKeys.begin())];
  return value.count > 0 ? &value : nullptr;
}

std::optional<CurvePoint> point_of(const nlohmann::json& step_record) {
  const auto step = step_of(step_record);
  if (kind_of(step_record) != "step" || !step || *step == 0) return std::nullopt;
  const auto applied = step_record.find("applied");
  CurvePoint point{.time = number_of(step_record, "time").value_or(0),
                   .first_step = *step,
                   .step = *step,
                   .steps = 1,
                   .bad_steps = applied != step_record.end() && *applied == false ? 1U : 0U,
                   .tokens = count_in(step_record, "tokens"),
                   .epoch = count_in(step_record, "epoch")};
  for (size_t i = 0; i < kCurveKeys.size(); ++i) {
    if (const auto number = number_of(step_record, kCurveKeys[i].data()))
      point.values[i] = {.count = 1, .mean = *number, .least = *number, .greatest = *number};
  }
  return point;
}

nlohmann::json to_record(const CurvePoint& point, uint64_t width) {
  nlohmann::json values = nlohmann::json::object();
  for (size_t i = 0; i < kCurveKeys.size(); ++i) {
    const CurveValue& value = point.values[i];
    if (value.count == 0) continue;
    values[std::string(kCurveKeys[i])] = {value.mean, value.least, value.greatest, value.count};
  }
  return {{"kind", "curve"},
          {"time", point.time},
          {"first_step", point.first_step},
          {"step", point.step},
          {"width", width},
          {"steps", point.steps},
          {"bad_steps", point.bad_steps},
          {"tokens", point.tokens},
          {"epoch", point.epoch},
          {"values", std::move(values)}};
}

std::optional<SavedPoint> saved_point_of(const nlohmann::json& record) {
  if (kind_of(record) != "curve" || !record.contains("values")) return std::nullopt;
  SavedPoint saved{.point = {.time = number_of(record, "time").value_or(0),
                             .first_step = count_in(record, "first_step"),
                             .step = count_in(record, "step"),
                             .steps = count_in(record, "steps"),
                             .bad_steps = count_in(record, "bad_steps"),
                             .tokens = count_in(record, "tokens"),
                             .epoch = count_in(record, "epoch")},
                   .width = count_in(record, "width")};
  const CurvePoint& point = saved.point;
  if (!std::has_single_bit(saved.width) || point.first_step == 0 || point.step < point.first_step ||
      (point.first_step - 1) / saved.width != (point.step - 1) / saved.width) {
    return std::nullopt;
  }
  const nlohmann::json& values = record["values"];
  for (size_t i = 0; i < kCurveKeys.size(); ++i) {
    const auto found = values.find(std::string(kCurveKeys[i]));
    if (found == values.end()) continue;
    const auto value = to_value(*found);
    if (!value) return std::nullopt;
    saved.point.values[i] = *value;
  }
  return saved;
}

void Curve::add(const CurvePoint& point, uint64_t width) {
  const uint64_t last = open_ ? open_->step : (points_.empty() ? 0 : points_.back().step);
  if (point.first_step <= std::max(last, complete_to_)) return;
  while (width_ < width) widen();
  // Closing may merge buckets and open the last one again, which may be the point's or not.
  while (open_ && bucket_of(*open_) != bucket_of(point)) close_bucket();
  if (open_ && bucket_of(*open_) == bucket_of(point)) {
    merge(*open_, point);
  } else {
    open_ = point;
  }
  if (point.step == (bucket_of(point) + 1) * width_) close_bucket();
}

void Curve::close_bucket() {
  complete_to_ = (bucket_of(*open_) + 1) * width_;
  points_.push_back(*std::exchange(open_, std::nullopt));
  while (points_.size() >= most_points_) widen();
}

/// Merges the points of neighbouring buckets.
void Curve::widen() {
  width_ *= 2;
  ++merges_;
  size_t kept = 0;
  for (size_t i = 0; i < points_.size(); ++i) {
    if (kept > 0 && bucket_of(points_[kept - 1]) == bucket_of(points_[i])) {
      merge(points_[kept - 1], points_[i]);
    } else {
      points_[kept++] = points_[i];
    }
  }
  points_.resize(kept);
  if (!points_.empty()) open_half_bucket();
}

/// Opens the last bucket again if its steps have not all come yet.
void Curve::open_half_bucket() {
  CurvePoint& last = points_.back();
  const uint64_t end = (bucket_of(last) + 1) * width_;
  const bool has_later = open_ && bucket_of(*open_) != bucket_of(last);
  if (end <= complete_to_ || has_later) {
    complete_to_ = end;
    return;
  }
  complete_to_ = end - width_;
  if (open_) merge(last, *open_);
  open_ = last;
  points_.pop_back();
}

void Curve::cut_after(uint64_t step) {
  open_.reset();
  while (!points_.empty() && (bucket_of(points_.back()) + 1) * width_ > step) points_.pop_back();
  complete_to_ = points_.empty() ? 0 : (bucket_of(points_.back()) + 1) * width_;
}

std::vector<CurvePoint> Curve::all_points() const {
  std::vector<CurvePoint> all = points_;
  if (open_) all.push_back(*open_);
  return all;
}

}  // namespace pretrain
