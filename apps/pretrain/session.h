#pragma once
// A training run in this process, from its configuration to its summary.

#include <cstdint>
#include <optional>

#include "apps/pretrain/options.h"
#include "libs/base/file.h"
#include "libs/base/stop.h"
#include "libs/train/skip_ranges.h"

namespace pretrain {

/// A new run that starts from a checkpoint of another one.
struct BranchRequest {
  Path checkpoint;            ///< or the state folder of a run: its newest
  bool weights_only = false;  ///< without moments, place in the stream and count of steps
};

/// How a session begins.
struct SessionRequest {
  KeyValues given;
  bool must_resume = false;             ///< an empty state folder is an error
  std::optional<uint64_t> from_step;    ///< go back to this checkpoint
  std::optional<BranchRequest> branch;  ///< the state folder must be empty or absent
  SkipRanges skips = {};                ///< steps whose batches are to be skipped
};

/// Trains and returns when a limit or a stop request ends it. Errors: see error.h; Stopped before the first
/// step.
void run_session(const SessionRequest& request, StopSignal& stop);

}  // namespace pretrain
