// SPDX-License-Identifier: Apache-2.0
#pragma once
// STATE/curve.jsonl: the curve of the whole run. A complete point is appended; when points were merged, the
// file is replaced.

#include <cstdint>
#include <memory>
#include <string>

#include "libs/base/file.h"
#include "libs/base/file_identity.h"
#include "libs/metrics/curve.h"

namespace pretrain {

/// Single-owner. A failed write never ends the run: the points stay in memory, and the next one writes all of
/// them again.
class CurveLog {
 public:
  /// Continues the curve after this step: cuts off later points, and takes the steps that are in no complete
  /// point from the metrics log, which must have been cut before. Without a file, or with a damaged one, the
  /// curve comes from the metrics log alone. A file that can't be read stays as it is, and is tried again later.
  CurveLog(FileSystem& files, Path folder, uint64_t step, size_t most_points = Curve::kMostPoints);

  /// Adds the record of a step; ignores others.
  void write(const nlohmann::json& record);

  const Curve& curve() const { return curve_; }
  /// The error of the last write; empty if it succeeded.
  const std::string& error() const { return error_; }

 private:
  Path file() const { return folder_ / "curve.jsonl"; }
  void start(uint64_t step);
  void load(uint64_t step);
  void note_failure(const IoError& error);
  void write_points();
  void append_points();
  void replace();

  FileSystem& files_;
  Path folder_;
  size_t most_points_;
  Curve curve_;
  bool is_read_ = false;       // the file, if there was one; until then, the curve lacks its points
  uint64_t unread_steps_ = 0;  // since then
  size_t written_ = 0;         // points that are in the file
  uint64_t merges_ = 0;        // of the curve, when they were written
  bool must_replace_ = false;  // the file is not as the curve
  std::unique_ptr<WritableFile> out_;
  NamedFile name_;  // of the file that has the points
  std::string error_;
};

}  // namespace pretrain
