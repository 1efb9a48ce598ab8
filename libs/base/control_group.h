// SPDX-License-Identifier: Apache-2.0
#pragma once
// The memory and processor time that the control groups of this process allow it, and whether those of a process are
// frozen. Supports versions 1 and 2 of the kernel's interface, also both at once. Stateless, thread-safe.
// Source: the kernel's Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst,
// cgroup-v1/freezer-subsystem.rst, scheduler/sched-bwc.rst.

#include <cstdint>
#include <limits>
#include <optional>

#include "libs/base/file.h"

namespace pretrain {

/// The tightest limits over all groups, from the process's own to the outermost visible one.
struct ControlGroupLimits {
  uint64_t memory_bytes = std::numeric_limits<uint64_t>::max();
  /// Bytes left below the limit. Memory that the kernel can reclaim (the two lists of file pages and the
  /// reclaimable slabs, as in MemAvailable) counts as free: a group that has just read a dump is not full.
  uint64_t available_bytes = std::numeric_limits<uint64_t>::max();
  /// Processor time as a number of processors, rounded up: 1.5 processors keep two threads busy.
  int processors = std::numeric_limits<int>::max();
};

/// Reads proc/self/cgroup and proc/self/mountinfo below `root`, and the groups that they name. A file that
/// can't be read sets no limit.
ControlGroupLimits control_group_limits(const Path& root = "/");

/// A group that was told to freeze (systemctl freeze, docker pause): no process in it, or below it, does anything.
struct FrozenGroup {
  Path switch_file;         ///< lets it continue; empty if no visible group is the one that was told
  const char* thawed = "";  ///< what to write there
};

/// The innermost frozen group around a process of this machine, as FrozenGroup tells. Nothing when there is none, or when
/// it is hidden.
std::optional<FrozenGroup> frozen_group(int process, const Path& root = "/");

}  // namespace pretrain
