// SPDX-License-Identifier: Apache-2.0
#pragma once
// STATE/events.jsonl: every record of a run but those of steps, from its beginning, in a bounded file.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "libs/base/file.h"
#include "libs/base/file_identity.h"

namespace pretrain {

/// Whether a record is one of the events: all but steps.
bool is_event(const nlohmann::json& record);

/// The evaluation with the lowest loss, and how many came after it.
struct BestEvaluation {
  uint64_t step = 0;
  double loss = 0;
  double bits_per_byte = 0;  ///< 0: not known
  uint64_t since = 0;
};

/// Takes the evaluations of a run in their order.
class BestEvaluationFinder {
 public:
  /// `evaluation`: its record. True if it is the best so far. One without a finite loss is never the best.
  bool note(const nlohmann::json& evaluation);
  /// Nothing before the first one with a finite loss.
  const std::optional<BestEvaluation>& best() const { return best_; }

 private:
  std::optional<BestEvaluation> best_;
};

struct EventLogOptions {
  uint64_t most_bytes = 32'000'000;
};

/// Single-owner. A failed write is counted; it never ends the run.
class EventLog {
 public:
  using Options = EventLogOptions;

  /// Continues the log after this step: removes what was recorded of later steps (outlives_return() in
  /// record.h). Without a file, takes the records from the metrics log, which must have been cut before. A file that
  /// can't be read stays as it is, and is tried again with each record.
  EventLog(FileSystem& files, Path folder, uint64_t step, const Options& options = {});

  /// `is_milestone`: the record must survive a power cut.
  void write(const nlohmann::json& record, bool is_milestone = false);

  /// Of the run so far.
  const std::optional<BestEvaluation>& best_evaluation() const { return best_.best(); }
  /// Whether samples of this step are recorded.
  bool has_sample_of(uint64_t step) const { return newest_sample_ == step; }

  uint64_t failed_writes() const { return failed_writes_; }
  /// The error of the last failed write.
  const std::string& last_error() const { return last_error_; }
  /// As of a StepLog.
  uint64_t removals() const { return removals_; }

 private:
  Path file() const { return folder_ / "events.jsonl"; }
  void start();
  void load(uint64_t step);
  void import(uint64_t step);
  void note(const nlohmann::json& record);
  void append(const std::string& line);
  void replace(const std::string& lines);
  void reduce();
  void note_failure(const IoError& error);

  FileSystem& files_;
  Path folder_;
  const uint64_t step_;
  Options options_;
  bool started_ = false;
  BestEvaluationFinder best_;
  std::optional<uint64_t> newest_sample_;
  uint64_t size_bytes_ = 0;  // of the complete lines
  std::unique_ptr<WritableFile> out_;
  NamedFile name_;  // of out_
  uint64_t failed_writes_ = 0, removals_ = 0;
  std::string last_error_;
};

}  // namespace pretrain
