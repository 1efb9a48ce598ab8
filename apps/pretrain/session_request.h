// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a command asks a session for. Plain values.

#include <cstdint>
#include <optional>

#include "apps/pretrain/failure_notice.h"
#include "apps/pretrain/run_keys.h"
#include "libs/base/file.h"
#include "libs/fabric/mpi_world.h"
#include "libs/train/skip_ranges.h"

namespace pretrain {

/// A new run that starts from a checkpoint of another one.
struct BranchRequest {
  Path checkpoint;            ///< a checkpoint, or a state folder, whose newest checkpoint is used
  bool weights_only = false;  ///< without optimizer state, position in the text and step count
};

/// What a session is asked to do.
struct SessionRequest {
  KeyValues given;
  bool must_resume = false;             ///< an empty state folder is an error
  std::optional<uint64_t> from_step;    ///< go back to this checkpoint
  std::optional<BranchRequest> branch;  ///< the state folder must be empty or absent
  SkipRanges skips = {};                ///< steps whose batches are to be skipped
  MpiWorld* job = nullptr;              ///< whose rank 0 this process is; null: none
  FailureNotice* failure = nullptr;     ///< learns the command and the step of the run; null: none
};

}  // namespace pretrain
