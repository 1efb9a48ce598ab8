// SPDX-License-Identifier: Apache-2.0
#pragma once
// Everything that a run records: the metrics log, the log of events and the curve, which FORMAT.md describes.
//
//   RunLog log(files, state, {.position = saved, .step = step});
//   log.write("evaluation", {{"step", 500}, {"validation_loss", 3.2}});
//   saved = log.position();  // into the checkpoint

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/metrics/curve_log.h"
#include "libs/metrics/event_log.h"
#include "libs/metrics/step_log.h"

namespace pretrain {

/// How many records are missing in each file, because they could not be written.
struct LostRecords {
  uint64_t in_metrics = 0;  ///< metrics.jsonl
  uint64_t in_events = 0;   ///< events.jsonl

  uint64_t total() const { return in_metrics + in_events; }
  LostRecords operator+(const LostRecords& other) const {
    return {in_metrics + other.in_metrics, in_events + other.in_events};
  }
};

/// Single-owner. A failed write is counted, and never ends the run.
class RunLog {
 public:
  /// Continues all three at a checkpoint.
  RunLog(FileSystem& files, const Path& folder, const StepLogStart& start);

  /// Writes a record, with its kind and the time of day. The start and the end of a session are written to
  /// the disk at once, since only they tell of it after a power cut.
  void write(std::string_view kind, nlohmann::json record);

  StepLogPosition position() const { return steps_.position(); }
  /// Whether there was a metrics log that the position did not fit.
  bool was_replaced() const { return steps_.was_replaced(); }
  const std::optional<BestEvaluation>& best_evaluation() const { return events_.best_evaluation(); }
  bool has_sample_of(uint64_t step) const { return events_.has_sample_of(step); }

  LostRecords lost() const { return {steps_.failed_writes(), events_.failed_writes()}; }
  /// Why the curve could not be written; empty if it could. Its points are not lost: the next write tries again.
  const std::string& curve_error() const { return curve_.error(); }
  /// Why the last record is missing in each file that could be written before.
  const std::vector<std::string>& new_errors() const { return new_errors_; }
  /// Names of files that were removed or replaced before the last record, and continue without what was in them.
  const std::vector<std::string>& new_removals() const { return new_removals_; }

 private:
  /// Whether the records of a file are being lost.
  template <typename Log>
  void note_loss(const Log& log, uint64_t failed_before, bool& loses);

  StepLog steps_;
  EventLog events_;
  CurveLog curve_;
  bool loses_steps_ = false, loses_events_ = false;
  std::vector<std::string> new_errors_, new_removals_;
};

}  // namespace pretrain
