// SPDX-License-Identifier: Apache-2.0
#pragma once
// This process, as its user sees it. Thread-safe: free functions.

namespace pretrain {

/// Its number.
int process_number();

/// Requests a stop as a signal from outside would (stop.h), but a further request changes nothing.
/// Requires: a StopSignal exists.
void request_own_stop();

}  // namespace pretrain
