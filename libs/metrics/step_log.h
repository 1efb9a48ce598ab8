#pragma once
// STATE/metrics.jsonl: one JSON object a line. A full segment is renamed to metrics-000007.jsonl and the
// oldest segments go, so that the log is bounded however long the run is.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "libs/base/file.h"

namespace pretrain {

/// A place in the log. A checkpoint keeps it.
struct StepLogPosition {
  uint64_t segment = 0;
  uint64_t offset_bytes = 0;
};

/// Where a log is continued.
struct StepLogStart {
  StepLogPosition position;
  uint64_t step = UINT64_MAX;  ///< that the position belongs to: no record before it is of a later step
  /// Whether a record that follows the position stays. Absent: none does.
  std::function<bool(const nlohmann::json& record)> keeps = {};
};

struct StepLogOptions {
  uint64_t segment_bytes = 64'000'000;
  uint64_t segments = 16;  ///< kept besides the current one
};

/// Single-owner. A failed write is counted and the log goes on with the next record; it never ends the run.
class StepLog {
 public:
  using Options = StepLogOptions;

  /// Continues at the position: what follows it is cut off, without a scan, except for the records within a
  /// few kilobytes that are to stay. A log that is not as the position was taken in (it was moved, lost,
  /// edited or replaced) is read, and continued after its whole records up to the step.
  StepLog(FileSystem& files, Path folder, const StepLogStart& start, const Options& options = {});

  void write(const nlohmann::json& record);

  StepLogPosition position() const { return position_; }
  /// Whether there was a log, and the position was not one in it.
  bool was_replaced() const { return was_replaced_; }
  uint64_t failed_writes() const { return failed_writes_; }
  /// Why the newest of them failed.
  const std::string& last_error() const { return last_error_; }

 private:
  Path current() const { return folder_ / "metrics.jsonl"; }
  Path closed(uint64_t segment) const;
  void restore_segment();
  uint64_t place_to_cut(const StepLogStart& start);
  std::string kept_lines(const StepLogStart& start) const;
  void open(uint64_t keep_bytes);
  void note_failure(const IoError& error);
  void rotate();

  FileSystem& files_;
  Path folder_;
  Options options_;
  StepLogPosition position_;
  bool was_replaced_ = false;
  std::unique_ptr<WritableFile> file_;
  uint64_t failed_writes_ = 0;
  std::string last_error_;
};

}  // namespace pretrain
