// SPDX-License-Identifier: Apache-2.0
#pragma once
// The requests that a running session understands.

#include <functional>

#include "apps/pretrain/control_server.h"
#include "apps/pretrain/run_monitor.h"
#include "libs/train/run_control.h"

namespace pretrain {

/// What the requests act on. References must outlive the server.
struct ControlParts {
  RunControl& control;
  RunMonitor& monitor;
  std::function<void()> request_stop;
  int most_threads = 1;
};

/// Answers `status`, `follow`, `save`, `pause`, `continue`, `set` and `stop`, as FORMAT.md of libs/metrics
/// describes them.
RequestHandler control_requests(ControlParts parts);

}  // namespace pretrain
