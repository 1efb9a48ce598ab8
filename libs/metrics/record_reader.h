// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads what a run has recorded, of any version and while it trains, in bounded memory. Takes no lock and
// writes nothing.
//
//   const RunRecord run = read_run_record(state);
//   for (const CurvePoint& point : run.curve.all_points()) plot(point);
//
//   RunRecordReader reader(state);          // or again and again
//   while (watching) if (reader.update()) show(reader.record());

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/base/file.h"
#include "libs/metrics/curve.h"
#include "libs/metrics/event_log.h"

namespace pretrain {

/// Bounds of memory. Of a list that is full, the second oldest entry is removed, so that the first and the
/// newest ones stay; of evaluations, every second one, but never the best.
struct RecordLimits {
  size_t curve_points = 1024;
  size_t evaluations = 4096;
  size_t samples = 200;
  size_t sessions = 500;  ///< starts and ends
  size_t events = 1000;   ///< the other kinds
};

struct RecordedEvaluation {
  double time = 0;  ///< seconds since 1970; 0: not known
  uint64_t step = 0, tokens = 0;
  std::optional<double> loss, perplexity, bits_per_byte;  ///< nothing: not finite, or not known
};

/// A record as its line, to be parsed when it is needed.
struct RecordedEvent {
  double time = 0;  ///< seconds since 1970; 0: not known
  uint64_t step = 0;
  std::string kind;
  std::string line;
  uint64_t number = 0;  ///< in the order of the record, which times don't have where a clock was set

  nlohmann::json json() const;
};

struct RunRecord {
  uint64_t schema = 0;  ///< of the newest session; 0: version 0.2.0 or earlier
  Curve curve;          ///< all steps: complete points and the open one
  std::vector<RecordedEvaluation> evaluations;
  std::optional<BestEvaluation> best_evaluation;
  std::vector<RecordedEvent> samples;
  std::vector<RecordedEvent> sessions;  ///< kinds `session` and `end`
  std::vector<RecordedEvent> events;    ///< the other kinds
  nlohmann::json newest_step;           ///< record of the newest step; null: there is none
  uint64_t damaged_lines = 0;           ///< that are no records
};

/// Follows the record of a run. Single-owner.
class RunRecordReader {
 public:
  explicit RunRecordReader(Path state, const RecordLimits& limits = {});

  /// Reads what was written since the last call; everything again if the run went back or a log was replaced
  /// since. True if the record changed. A folder without a record has an empty one.
  /// Errors: IoError when a file can't be read.
  bool update();

  const RunRecord& record() const { return record_; }

 private:
  /// A file of lines, and how far it was read.
  struct Followed {
    std::string name;
    uint64_t inode = 0;   // 0: there was no file
    uint64_t offset = 0;  // of the next line
    std::string before;   // the last bytes before it, to recognise that the file was replaced
  };

  template <typename OnRecord>
  bool follow(Followed& file, const OnRecord& on_record);
  bool was_replaced(const Followed& file) const;
  void start_again();
  void read_curve();
  void take(const nlohmann::json& record, std::string_view line);
  void take_evaluation(const nlohmann::json& record);

  Path state_;
  RecordLimits limits_;
  RunRecord record_;
  BestEvaluationFinder best_;
  uint64_t taken_ = 0;  // records
  Followed log_{.name = "metrics.jsonl"}, events_{.name = "events.jsonl"};
  bool has_events_ = false;  // events.jsonl exists, so that events of the metrics log don't count
};

/// The whole record at this moment.
/// Errors: IoError when a file can't be read.
RunRecord read_run_record(const Path& state, const RecordLimits& limits = {});

}  // namespace pretrain
