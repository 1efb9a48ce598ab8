// SPDX-License-Identifier: Apache-2.0
#pragma once
// This process and others, as their user sees them. Thread-safe: free functions.

#include <optional>

namespace pretrain {

/// Its number.
int process_number();

/// When a process of this machine started, in seconds since 1970, by the clock as it is now. Nothing when there is no
/// such process, or when it is hidden.
/// Source: proc(5), /proc/PID/stat.
std::optional<double> process_start(int number);

/// Requests a stop as a signal from outside would (stop.h), but a further request changes nothing.
/// Requires: a StopSignal exists.
void request_own_stop();

}  // namespace pretrain
