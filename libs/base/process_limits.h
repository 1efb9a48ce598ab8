// SPDX-License-Identifier: Apache-2.0
#pragma once
// Limits that a shell or a service manager has set for this process (ulimit). Thread-safe: free functions.

#include <cstdint>

namespace pretrain {

constexpr uint64_t kNoLimit = UINT64_MAX;

struct ProcessLimits {
  uint64_t file_bytes = kNoLimit;   ///< size of a file that is written (ulimit -f)
  uint64_t more_files = kNoLimit;   ///< that can be opened besides those that are open now (ulimit -n)
  uint64_t more_memory = kNoLimit;  ///< address space or data that can still be reserved (ulimit -v, -d)
};

/// Those of this process, as it is now.
ProcessLimits process_limits();

/// Raises the limit on the stack (ulimit -s), if it is small, as far as that is allowed; also for threads that start later.
/// Errors: kUsage if it stays too small for this program.
/// Requires: no other thread was started yet.
void ensure_stack();

}  // namespace pretrain
