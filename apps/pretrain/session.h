#pragma once
// A training run in this process, from its configuration to its summary.

#include <cstdint>
#include <optional>

#include "apps/pretrain/options.h"
#include "libs/base/stop.h"

namespace pretrain {

/// How a session begins.
struct SessionRequest {
  KeyValues given;
  bool must_resume = false;           ///< an empty state folder is an error
  std::optional<uint64_t> from_step;  ///< go back to this checkpoint
};

/// Trains and returns when a limit or a stop request ends it. Errors: see error.h; Stopped before the first
/// step.
void run_session(const SessionRequest& request, StopSignal& stop);

}  // namespace pretrain
