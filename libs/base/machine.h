#pragma once
// What this machine is and has: processor, memory (control-group limits included), what this process uses.

#include <cstdint>
#include <string>

#include "libs/base/file.h"

namespace pretrain {

struct Machine {
  std::string processor;         ///< model name as the kernel prints it
  int cores = 1;                 ///< logical processors that this process may use: affinity and quota
  uint64_t memory_bytes = 0;     ///< smaller of physical memory and control-group limit
  uint64_t available_bytes = 0;  ///< what a new process can take without swapping
};

/// Reads the kernel's files below `root`, where a test may have laid out another machine's.
Machine inspect_machine(const Path& root = "/");

/// Resident memory of this process now, and the most it ever had.
uint64_t resident_bytes();
uint64_t peak_resident_bytes();

/// Lets the C library keep up to 8 MiB of freed memory in each of its arenas. Its default gives the buffers
/// of every part of a corpus back to the system, and getting them again takes a fifteenth of the time from a
/// dump to text. Blocks of 1 MiB and more still go back at once. Call it before other threads start.
void keep_freed_memory();

/// User plus system seconds that this process has used, all threads.
double process_cpu_seconds();

}  // namespace pretrain
