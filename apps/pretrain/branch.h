#pragma once
// A new run that starts from a checkpoint of another one: what it takes over, what it does otherwise, and
// what it keeps of its origin. The parent is only read; its folder may be read-only.

#include <stop_token>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "apps/pretrain/configuration.h"
#include "apps/pretrain/session.h"
#include "libs/checkpoint/verify.h"

namespace pretrain {

struct BranchPlan {
  Checkpoint parent;
  KeyValues values;  ///< of the new run
  RunConfiguration config;
  bool weights_only = false;
  std::vector<std::string> anew;  ///< keys because of which the stream of text starts anew
  bool keeps_evaluation_set = false;

  /// The stream continues where the parent's was.
  bool keeps_stream() const { return !weights_only && anew.empty(); }
  /// For the manifest: path, step, hash of the parent's manifest, what was taken over, the changed keys.
  nlohmann::json record() const;
};

/// Verifies the parent, merges the keys and looks at the corpus; creates nothing. Errors: kUsage when the
/// folder of the new run is not empty or lies in the parent's, when a key can't be changed, or when a limit
/// is reached already; kData when there is no checkpoint or no corpus; Stopped.
BranchPlan plan_branch(const SessionRequest& request, const Path& state, const std::stop_token& stop);

/// The evaluation set of the run that a checkpoint belongs to; where that is a copy alone, there is none.
Path evaluation_file_of(const Checkpoint& checkpoint);

/// What inspect prints of Manifest::parent, in lines.
std::string describe_parent(const nlohmann::json& parent);

}  // namespace pretrain
