// SPDX-License-Identifier: Apache-2.0
#pragma once
// This process and others, as their user sees them. Thread-safe: free functions.

#include <cstdint>
#include <optional>
#include <string>

namespace pretrain {

/// Its number.
int process_number();

/// What distinguishes a process from others that have or had its number: here, before the machine started again, or on
/// another one that shares a folder.
struct ProcessIdentity {
  std::string boot;          ///< of this start of the kernel
  uint64_t start_ticks = 0;  ///< since then, when the process started

  bool operator==(const ProcessIdentity&) const = default;
};

/// That of a process of this machine. Nothing when there is no such process, or when it is hidden.
/// Source: proc(5), /proc/PID/stat; random(4), boot_id.
std::optional<ProcessIdentity> process_identity(int number);

/// Seconds by the steady clock, which nobody sets: comparable between processes of one start of the kernel.
double steady_seconds();

/// When a process of this machine started, in seconds since 1970, by the clock as it is now. Nothing when there is no
/// such process, or when it is hidden.
/// Source: proc(5), /proc/PID/stat.
std::optional<double> process_start(int number);

/// Whether a process of this machine was suspended (Ctrl-Z, SIGSTOP), or a control group of it is frozen: it does nothing
/// until SIGCONT, or until the group is thawed. False when there is no such process, or when it is hidden, and for one that
/// a debugger holds.
/// Source: proc(5), /proc/PID/stat, state T; control_group.h.
bool process_is_suspended(int number);

/// Requests a stop as a signal from outside would (stop.h), but a further request changes nothing.
/// Requires: a StopSignal exists.
void request_own_stop();

}  // namespace pretrain
