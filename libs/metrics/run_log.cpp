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
  steps_.write(record);
  events_.write(record, kind == "session" || kind == "end");
  curve_.write(record);
  if (events_.failed_writes() > events_failed) last_error_ = events_.last_error();
  if (steps_.failed_writes() > steps_failed) last_error_ = steps_.last_error();
}

}  // namespace pretrain
