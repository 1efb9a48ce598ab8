// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/run_log.h"

#include <chrono>

#include "libs/metrics/record.h"

namespace pretrain {

RunLog::RunLog(FileSystem& files, const Path& folder, const StepLogStart& start)
    : steps_(files, folder, start), events_(files, folder, start.step), curve_(files, folder, start.step) {}

void RunLog::write(std::string_view kind, nlohmann::json record) {
  record["kind"] = kind;
  record["time"] = seconds_since_1970(std::chrono::system_clock::now());
  const uint64_t steps_failed = steps_.failed_writes(), events_failed = events_.failed_writes();
  const uint64_t steps_removed = steps_.removals(), events_removed = events_.removals();
  steps_.write(record);
  events_.write(record, kind == "session" || kind == "end");
  curve_.write(record);
  new_errors_.clear();
  if (is_event(record)) note_loss(events_, events_failed, loses_events_);
  note_loss(steps_, steps_failed, loses_steps_);
  new_removals_.clear();
  if (steps_.removals() > steps_removed) new_removals_.emplace_back("metrics.jsonl");
  if (events_.removals() > events_removed) new_removals_.emplace_back("events.jsonl");
}

template <typename Log>
void RunLog::note_loss(const Log& log, uint64_t failed_before, bool& loses) {
  const bool failed = log.failed_writes() > failed_before;
  if (failed && !loses) new_errors_.push_back(log.last_error());
  loses = failed;
}

}  // namespace pretrain
