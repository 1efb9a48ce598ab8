// SPDX-License-Identifier: Apache-2.0
#pragma once
// STATE/metrics.jsonl: one JSON object on each line. A full segment is renamed, for example to
// metrics-000007.jsonl, and the oldest segments are removed, so that the size of the log is bounded.
//
//   StepLog log(files, state, {.position = saved, .step = step});
//   log.write(record);
//   saved = log.position();  // into the checkpoint

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "libs/base/file.h"
#include "libs/base/file_identity.h"

namespace pretrain {

/// A position in the log, stored in checkpoints.
struct StepLogPosition {
  uint64_t segment = 0;
  uint64_t offset_bytes = 0;
};

/// Where to continue a log.
struct StepLogStart {
  StepLogPosition position;
  uint64_t step = UINT64_MAX;  ///< step of the position: no record before it has a later step
  /// Whether to keep a record after the position. If absent: keep none.
  std::function<bool(const nlohmann::json& record)> keeps = {};
};

struct StepLogOptions {
  uint64_t segment_bytes = 64'000'000;
  uint64_t segments = 16;  ///< kept besides the current one
};

/// Single-owner. A failed write is counted, and the log continues with the next record; it never ends the
/// run.
class StepLog {
 public:
  using Options = StepLogOptions;

  /// Continues at the position. Cuts off everything after it without a scan, except for records within a few
  /// kilobytes that are to be kept. If the position does not fit the log (it was moved, lost, edited or
  /// replaced), reads the log and continues after its complete records up to the step.
  /// If it can't be read, tries again with each record.
  StepLog(FileSystem& files, Path folder, const StepLogStart& start, const Options& options = {});

  void write(const nlohmann::json& record);

  StepLogPosition position() const { return position_; }
  /// Whether there was a log that the position did not fit.
  bool was_replaced() const { return was_replaced_; }
  uint64_t failed_writes() const { return failed_writes_; }
  /// The error of the last failed write.
  const std::string& last_error() const { return last_error_; }
  /// How often its file was removed or replaced while it was open. It continues in the file that is there then.
  uint64_t removals() const { return removals_; }

 private:
  Path current() const { return folder_ / "metrics.jsonl"; }
  void continue_at(const StepLogStart& start);
  Path closed(uint64_t segment) const;
  void restore_segment();
  uint64_t place_to_cut(const StepLogStart& start);
  std::string kept_lines(const StepLogStart& start) const;
  void open(uint64_t keep_bytes);
  void open_if_taken_away();
  void note_failure(const IoError& error);
  void rotate();

  FileSystem& files_;
  Path folder_;
  Options options_;
  const uint64_t step_;
  bool started_ = false;
  StepLogPosition position_;
  bool was_replaced_ = false;
  std::unique_ptr<WritableFile> file_;
  NamedFile name_;  // of file_
  uint64_t failed_writes_ = 0, removals_ = 0;
  std::string last_error_;
};

}  // namespace pretrain
