// SPDX-License-Identifier: Apache-2.0
#pragma once
// Compares what a run needs with the limits that a shell or a service manager has set for the process. Stateless.

#include <cstdint>
#include <functional>
#include <string>

#include "apps/pretrain/run_configuration.h"
#include "libs/base/process_limits.h"

namespace pretrain {

struct RunNeeds {
  uint64_t memory_bytes = 0;     ///< besides what the process has now, at most
  uint64_t model_bytes = 0;      ///< of a checkpoint's model.safetensors
  uint64_t optimizer_bytes = 0;  ///< of its optimizer.safetensors
  uint64_t stream_bytes = 0;     ///< of its stream.safetensors, at most
  uint64_t files = 0;            ///< open at once, besides those of the start
  /// What the user can do when so many bytes of memory are left. Not called while they suffice.
  std::function<std::string(uint64_t)> memory_remedy;
};

/// Files that the run has open at once: those of a checkpoint that is being written, records, and one for each worker.
uint64_t open_files_of(const RunConfiguration& config);

/// Warns of files that may become larger than the limit.
/// Errors: kUsage when a limit prevents each save, or the run itself; the message names the limit.
void check_process_limits(const RunNeeds& needs, const ProcessLimits& limits);

}  // namespace pretrain
