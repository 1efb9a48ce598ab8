// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/limit_check.h"

#include <algorithm>
#include <string_view>

#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/units.h"
#include "libs/metrics/step_log.h"

namespace pretrain {
namespace {

void check_files(const RunNeeds& needs, uint64_t limit) {
  const bool model_is_largest = needs.model_bytes > needs.optimizer_bytes;
  const uint64_t largest = std::max(needs.model_bytes, needs.optimizer_bytes);
  if (largest > limit) {
    fail(
        ErrorKind::kUsage,
        "a checkpoint could not be saved: its {} has {}, but the limit on the size of files (ulimit -f) is {}; "
        "raise it",
        model_is_largest ? "model.safetensors" : "optimizer.safetensors", format_bytes(largest),
        format_bytes(limit));
  }
  const uint64_t log = StepLogOptions().segment_bytes;
  if (std::max(needs.stream_bytes, log) <= limit) return;
  log_warning(
      "the limit on the size of files (ulimit -f) is {}; stream.safetensors of a checkpoint may reach {} and "
      "metrics.jsonl {}, and a save or a record that needs more fails",
      format_bytes(limit), format_bytes(needs.stream_bytes), format_bytes(log));
}

}  // namespace

uint64_t open_files_of(const RunConfiguration& config) {
  constexpr uint64_t kOfACheckpoint = 13;  // with its folder
  constexpr uint64_t kRecords = 5;         // with the evaluation set
  constexpr uint64_t kSocket = 3;          // by which other commands ask the run, and one that asks
  const uint64_t machines = config.machines.shared() ? 4 + 2 * uint64_t{config.machines.most} : 0;
  return kOfACheckpoint + kRecords + kSocket + machines + static_cast<uint64_t>(config.workers);
}

void check_process_limits(const RunNeeds& needs, const ProcessLimits& limits) {
  check_files(needs, limits.file_bytes);
  if (needs.files > limits.more_files) {
    fail(
        ErrorKind::kUsage,
        "the run opens up to {} files at once, but the limit on open files (ulimit -n) leaves {}; raise it by {}",
        needs.files, limits.more_files, needs.files - limits.more_files);
  }
  if (needs.memory_bytes > limits.more_memory) {
    fail(
        ErrorKind::kUsage,
        "the run needs {} of memory, but the limits on memory (ulimit -v, ulimit -d) leave {}; raise them, or {}",
        format_bytes(needs.memory_bytes), format_bytes(limits.more_memory),
        needs.memory_remedy(limits.more_memory));
  }
}

}  // namespace pretrain
