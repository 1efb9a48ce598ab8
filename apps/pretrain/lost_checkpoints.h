// SPDX-License-Identifier: Apache-2.0
#pragma once
// The checkpoints of a run are lost, and another machine has copies (--copies 2).

#include <stop_token>

#include "apps/pretrain/session_request.h"
#include "libs/base/file.h"

namespace pretrain {

/// For a resume with --copies 2 in a folder that has no checkpoint to continue from: takes the newest copy of the machines
/// that join meanwhile. Does nothing else.
/// Errors: kUsage when they can't be reached as asked; kData when none has a copy; Stopped.
void take_copy_if_lost(const SessionRequest& request, const Path& state, const std::stop_token& stop);

}  // namespace pretrain
