#pragma once
// What the control groups around this process leave it: memory and processor time, in versions 1 and 2 of the
// kernel's interface, also side by side. Stateless, thread-safe.
// Source: the kernel's Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst,
// scheduler/sched-bwc.rst.

#include <cstdint>
#include <limits>

#include "libs/base/file.h"

namespace pretrain {

/// The tightest of each over all groups from the process's own up to the outermost that can be seen.
struct ControlGroupLimits {
  uint64_t memory_bytes = std::numeric_limits<uint64_t>::max();
  /// What is left below the limit. Pages of files that the kernel gives back when memory is wanted (the two
  /// file lists, and what of the slabs can be reclaimed: its own measure for MemAvailable) are not used
  /// memory: a group that has just read a dump is not full.
  uint64_t available_bytes = std::numeric_limits<uint64_t>::max();
  /// Processor time as a number of processors, rounded up: 1.5 processors keep two threads busy.
  int processors = std::numeric_limits<int>::max();
};

/// Reads proc/self/cgroup and proc/self/mountinfo below `root`, and the groups that they name. What can't be
/// read limits nothing.
ControlGroupLimits control_group_limits(const Path& root = "/");

}  // namespace pretrain
