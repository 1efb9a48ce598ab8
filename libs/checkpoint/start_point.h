// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds the checkpoint that a start may continue from. Changes nothing; store.h has the rules for moving
// checkpoints. Thread-safe: no state.

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "libs/checkpoint/verify.h"

namespace pretrain {

/// A checkpoint from which a run can't continue.
struct FailedCheckpoint {
  uint64_t step = 0;
  Path folder;  ///< where it is now
  Trouble trouble = Trouble::kDamaged;
  std::string reason;      ///< as CheckpointVerdict::reason
  bool set_aside = false;  ///< it was moved to `folder`
};
using FailureReport = std::function<void(const FailedCheckpoint&)>;

/// Examines a checkpoint. The program also tries to load it; tests plant failing devices here.
using CheckpointJudge = std::function<CheckpointVerdict(const Path& folder)>;

struct StartPoint {
  std::optional<Checkpoint> newest;      ///< the newest intact checkpoint
  std::vector<FailedCheckpoint> failed;  ///< checkpoints newer than that, newest first

  /// True when a start may continue from `newest`: no newer checkpoint failed, or only one, which is damaged
  /// and may be set aside. Two or more failures have a common cause outside of the checkpoints; an unreadable
  /// checkpoint may be intact; one that another program has rewritten may be wanted.
  bool may_continue() const;
};

/// Walks from the newest checkpoint to the first that verifies.
/// Errors: kData when the folder is a link to nowhere; NewerFormatError; Stopped; IoError when it can't be listed.
StartPoint find_start_point(const Path& state_folder, const CheckpointJudge& judge);
StartPoint find_start_point(const Path& state_folder, const std::stop_token& stop = {});

/// "step 30 is damaged (model.safetensors: it is missing); step 20 can't be read (...)".
std::string describe(const std::vector<FailedCheckpoint>& failed);

/// The newest intact checkpoint, for commands that only read. Reports newer ones that failed.
/// Errors: as find_start_point.
std::optional<Checkpoint> find_newest_verified(const Path& state_folder, const FailureReport& on_failed = {});

}  // namespace pretrain
