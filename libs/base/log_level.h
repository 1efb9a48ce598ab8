// SPDX-License-Identifier: Apache-2.0
#pragma once
// How much a process logs, for one that learns only later whom it logs for.

#include "libs/base/log.h"

namespace pretrain {

/// Leaves out what is below this level from here on. Thread-safe.
void set_log_level(LogLevel level);

}  // namespace pretrain
