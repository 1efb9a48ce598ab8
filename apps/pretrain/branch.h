// SPDX-License-Identifier: Apache-2.0
#pragma once
// A branch: a new run that starts from a checkpoint of another run, its parent. Plans what it takes from the
// parent and what it changes, and records its origin. The parent's folder is only read and may be read-only.

#include <stop_token>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "apps/pretrain/configuration.h"
#include "apps/pretrain/session_request.h"
#include "libs/checkpoint/verify.h"

namespace pretrain {

struct BranchPlan {
  Checkpoint parent;
  KeyValues values;  ///< configuration of the new run
  RunConfiguration config;
  bool weights_only = false;
  bool ends_anew = false;         ///< the schedule ends where the limit of the branch is
  std::vector<std::string> anew;  ///< changed keys that make the text start from the beginning
  bool keeps_evaluation_set = false;
  bool keeps_optimizer = true;  ///< the moments fit, since no tensor is another optimizer's

  /// The text continues from the parent's position.
  bool keeps_stream() const { return !weights_only && anew.empty(); }
  /// For the manifest: path, step, hash of the parent's manifest, what the branch took, the changed keys.
  nlohmann::json record() const;
};

/// Verifies the parent, merges the keys and checks the corpus. Creates nothing.
/// Errors: kUsage when the new folder is not empty or is inside the parent's, when a key can't be changed, or
/// when a limit is already reached; kData when there is no checkpoint or no corpus; Stopped.
BranchPlan plan_branch(const SessionRequest& request, const Path& state, const std::stop_token& stop);

/// The evaluation set of the run that a checkpoint belongs to. A copied checkpoint without a run has none.
Path evaluation_file_of(const Checkpoint& checkpoint);

/// The text of run.ini. That of a run with this Manifest::parent names what starts the branch again: it needs its parent.
std::string with_command_of_branch(std::string ini, const nlohmann::json& parent);

/// The lines that `pretrain inspect` prints about Manifest::parent.
std::string describe_parent(const nlohmann::json& parent);

}  // namespace pretrain
