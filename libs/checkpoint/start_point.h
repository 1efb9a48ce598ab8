#pragma once
// What a start may continue from. Looks and changes nothing; who moves what is in store.h.
// Thread-safe: no state.

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "libs/checkpoint/verify.h"

namespace pretrain {

/// A checkpoint that can't be continued from.
struct FailedCheckpoint {
  uint64_t step = 0;
  Path folder;  ///< where it is now
  Trouble trouble = Trouble::kDamaged;
  std::string reason;      ///< as CheckpointVerdict::reason
  bool set_aside = false;  ///< it was moved to `folder`
};
using FailureReport = std::function<void(const FailedCheckpoint&)>;

/// How a checkpoint is looked at. The program also tries to load it; tests plant failing devices here.
using CheckpointJudge = std::function<CheckpointVerdict(const Path& folder)>;

struct StartPoint {
  std::optional<Checkpoint> newest;      ///< the newest that verifies
  std::vector<FailedCheckpoint> failed;  ///< those newer than it, newest first

  /// True when a start may continue from `newest`: nothing newer failed, or one alone that is damaged and may
  /// be set aside. Two or more that fail at once have a common cause, which is not in them; an unreadable one
  /// may be the newest good one; one that another program wrote anew is somebody's work.
  bool may_continue() const;
};

/// Walks from the newest checkpoint to the first that verifies.
/// Errors: NewerFormatError; Stopped; IoError when the folder can't be listed.
StartPoint find_start_point(const Path& state_folder, const CheckpointJudge& judge);
StartPoint find_start_point(const Path& state_folder, const std::stop_token& stop = {});

/// "step 30 is damaged (model.safetensors: it is missing); step 20 can't be read (...)".
std::string describe(const std::vector<FailedCheckpoint>& failed);

/// The newest checkpoint that verifies, for those who only read; newer ones that don't are reported.
/// Errors: as find_start_point.
std::optional<Checkpoint> find_newest_verified(const Path& state_folder, const FailureReport& on_failed = {});

}  // namespace pretrain
