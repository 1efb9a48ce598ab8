// SPDX-License-Identifier: Apache-2.0
#pragma once
// Counts what a test program takes from the heap. Linking this in replaces malloc and its relatives (operator
// new ends there too) and mmap, for the program and all its shared libraries. Thread-safe.
//
// oneTBB takes its tasks from a pool of its own: what the pool hands out is not seen, what it maps from the
// system is. Under sanitizers, which replace the same functions, nothing is counted: kAllocationsAreCounted.

#include <cstdint>

namespace pretrain::test {

#ifdef PRETRAIN_SANITIZED
constexpr bool kAllocationsAreCounted = false;
#else
constexpr bool kAllocationsAreCounted = true;
#endif

struct Allocations {
  uint64_t calls = 0;
  uint64_t bytes = 0;          ///< as asked for; what is given back does not count
  uint64_t aligned_bytes = 0;  ///< of these by posix_memalign, as Buffer
};

/// By all threads, since the program started.
Allocations allocations_so_far();

}  // namespace pretrain::test
