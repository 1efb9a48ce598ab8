// SPDX-License-Identifier: Apache-2.0
#pragma once
// Facts about this machine (processor, memory, control-group limits) and about this process (memory, time).

#include <cstdint>
#include <string>

#include "libs/base/file.h"

namespace pretrain {

struct Machine {
  std::string processor;         ///< model name as the kernel prints it
  int cores = 1;                 ///< logical processors that this process may use: affinity and quota
  uint64_t memory_bytes = 0;     ///< smaller of physical memory and control-group limit
  uint64_t available_bytes = 0;  ///< memory that a new process can use without swapping
};

/// Reads the kernel's files below `root`; a test may put another machine's files there.
Machine inspect_machine(const Path& root = "/");

/// Resident memory of this process, current and peak.
uint64_t resident_bytes();
uint64_t peak_resident_bytes();

/// Lets the C library keep up to 8 MiB of freed memory in each of its arenas. By default it returns the
/// buffers of each part of a corpus to the system, and getting them back takes a fifteenth of the time from a
/// dump to text. Blocks of 1 MiB and more are still returned immediately.
/// Requires: no other thread was started yet.
void keep_freed_memory();

/// Returns freed memory to the system, so that what is allocated next adds to resident_bytes().
void release_freed_memory();

/// User plus system seconds that this process has used, all threads.
double process_cpu_seconds();

}  // namespace pretrain
