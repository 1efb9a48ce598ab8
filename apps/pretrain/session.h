// SPDX-License-Identifier: Apache-2.0
#pragma once
// A training run in this process, from its configuration to its summary.

#include "apps/pretrain/session_request.h"
#include "libs/base/stop.h"

namespace pretrain {

/// Trains until a limit or a stop request ends the session.
/// Errors: see error.h; Stopped before the first step.
void run_session(const SessionRequest& request, StopSignal& stop);

}  // namespace pretrain
