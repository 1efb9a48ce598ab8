#pragma once
// How a session begins: what is in the state folder, and what the session makes of it. Looking changes
// nothing; `settle` moves what has to be moved, once the whole command is known to be sound.

#include <optional>
#include <stop_token>

#include "apps/pretrain/session.h"
#include "libs/checkpoint/store.h"

namespace pretrain {

struct SessionStart {
  std::optional<Checkpoint> checkpoint;     ///< to continue from; none: a new run
  std::optional<FailedCheckpoint> damaged;  ///< a newer one, to be set aside
  std::optional<uint64_t> back_to;          ///< newer checkpoints are to be abandoned
  /// Nothing was trained from `checkpoint`, the only one: a new run may take its place.
  bool untrained = false;
  bool replaced = false;  ///< a new run takes the place of an untrained one
};

/// Refuses a request that the folder can't fulfil, before anything is created or locked.
/// Errors: kData when there is no run to resume; kUsage when a new one is asked for where one is.
void check_request(const Path& state, const SessionRequest& request);

/// Finds the checkpoint to begin with, verifies it and tries to load it. Errors: kData when there is none
/// though the folder has held some, or by rule 5 of store.h, with what to do; NewerFormatError; Stopped.
SessionStart look_for_start(const Path& state, const SessionRequest& request, const std::stop_token& stop);

/// Sets aside, abandons and replaces what `start` says, and tells where it is now.
void settle(FileSystem& files, const Path& state, CheckpointStore& store, const SessionStart& start);

/// Logs a checkpoint that was set aside or does not count.
void report_failure(const FailedCheckpoint& failed);

}  // namespace pretrain
