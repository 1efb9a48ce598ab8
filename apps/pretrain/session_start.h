// SPDX-License-Identifier: Apache-2.0
#pragma once
// The start of a session: looks at the state folder and decides what to continue from. Looking changes
// nothing; settle() moves checkpoints once the whole command has been checked.

#include <optional>
#include <stop_token>

#include "apps/pretrain/session_request.h"
#include "libs/checkpoint/store.h"

namespace pretrain {

struct SessionStart {
  std::optional<Checkpoint> checkpoint;     ///< to continue from; none: a new run
  std::optional<FailedCheckpoint> damaged;  ///< a newer checkpoint, which settle() sets aside
  std::optional<uint64_t> back_to;          ///< settle() abandons the checkpoints after this step
  /// `checkpoint` is the only one, and no step was trained from it: a new run may replace it.
  bool untrained = false;
  bool replaced = false;  ///< a new run replaces an untrained one
};

/// Refuses a request that the folder can't serve, before anything is created or locked.
/// Errors: kData when there is no run to resume; kUsage when a new run is requested in a folder that has one.
void check_request(const Path& state, const SessionRequest& request);

/// Finds the checkpoint to start from, verifies it and tries to load it.
/// Errors: kData, with the remedy, when the folder has held checkpoints but has none now, or by rule 5 of
/// store.h; NewerFormatError; Stopped.
SessionStart look_for_start(const Path& state, const SessionRequest& request, const std::stop_token& stop);

/// Moves the checkpoints that `start` says to set aside, abandon or replace, and logs their new place.
void settle(FileSystem& files, const Path& state, CheckpointStore& store, const SessionStart& start);

/// Logs a checkpoint that was set aside or that does not count.
void report_failure(const FailedCheckpoint& failed);

}  // namespace pretrain
