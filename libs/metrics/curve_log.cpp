// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/curve_log.h"

#include <cerrno>
#include <utility>

#include "libs/base/io_advice.h"
#include "libs/metrics/record_lines.h"

namespace pretrain {

CurveLog::CurveLog(FileSystem& files, Path folder, uint64_t step, size_t most_points)
    : files_(files), folder_(std::move(folder)), most_points_(most_points), curve_(most_points) {
  try {
    start(step);
  } catch (const IoError& error) {
    note_failure(error);
  }
}

/// The file may be the only record of early steps, so it is not replaced before it was read. A link is none of ours.
void CurveLog::start(uint64_t step) {
  curve_ = Curve(most_points_);
  try {
    load(step);
  } catch (const IoError& error) {
    if (error.code() != ELOOP) throw;
    must_replace_ = true;
  }
  is_read_ = true;
  read_log(folder_, curve_.complete_to() + 1, step, [this](const nlohmann::json& record) {
    if (const auto point = point_of(record)) curve_.add(*point);
  });
  write_points();
}

void CurveLog::note_failure(const IoError& error) {
  error_ = message_with_advice(error);
  must_replace_ = is_read_;
  out_.reset();
}

/// Points are appended to the file later only if it holds exactly those of the curve.
void CurveLog::load(uint64_t step) {
  if (!file_exists(file())) return;
  const ReadableFile saved(file(), Links::kRefuse);
  name_ = NamedFile(file());
  LineReader lines(saved);
  size_t read = 0;
  uint64_t width = 1;
  while (const auto line = lines.next()) {
    const auto record = record_of(*line);
    const auto point = record ? saved_point_of(*record) : std::nullopt;
    if (!point) break;
    curve_.add(point->point, point->width);
    width = point->width;
    ++read;
  }
  curve_.cut_after(step);
  written_ = curve_.points().size();
  merges_ = curve_.merges();
  must_replace_ = written_ != read || curve_.width() != width || lines.offset() != saved.size();
}

void CurveLog::write(const nlohmann::json& record) {
  const auto point = point_of(record);
  if (!point) return;
  curve_.add(*point);
  constexpr uint64_t kRetryEvery = 100;  // a failing disk takes seconds to say so
  if (!is_read_ && ++unread_steps_ % kRetryEvery != 0) return;
  try {
    if (!is_read_) start(point->step);
    write_points();
    error_.clear();
  } catch (const IoError& error) {
    note_failure(error);
  }
}

void CurveLog::write_points() {
  if (!must_replace_ && written_ == curve_.points().size()) return;
  if (name_.was_taken_away()) must_replace_ = true;  // all points are known
  if (must_replace_ || curve_.merges() != merges_) {
    replace();
  } else {
    append_points();
  }
  written_ = curve_.points().size();
  merges_ = curve_.merges();
  must_replace_ = false;
}

void CurveLog::append_points() {
  std::string lines;
  for (size_t i = written_; i < curve_.points().size(); ++i)
    lines += to_record(curve_.points()[i], curve_.width()).dump() + "\n";
  if (out_ == nullptr) out_ = files_.append(file(), UINT64_MAX);
  if (written_ == 0) name_ = NamedFile(file());
  out_->write(lines);
}

void CurveLog::replace() {
  out_.reset();
  std::string lines;
  for (const CurvePoint& point : curve_.points()) lines += to_record(point, curve_.width()).dump() + "\n";
  write_file_atomically(files_, file(), lines);
  name_ = NamedFile(file());
}

}  // namespace pretrain
