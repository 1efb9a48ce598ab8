// SPDX-License-Identifier: Apache-2.0
#pragma once
// The memory that a loader needs, computed from its options. A test compares it with the actual memory.

#include <cstdint>

#include "pipeline/loader.h"

namespace pretrain {

/// Bytes by purpose, at most.
struct LoaderMemory {
  uint64_t buffer = 0;     ///< the shuffle buffer, full
  uint64_t queue = 0;      ///< a full queue of batches
  uint64_t in_flight = 0;  ///< tickets between the reader and the assembler
  uint64_t state = 0;      ///< of a checkpoint that is being written, or from which the loader starts
  uint64_t seen = 0;       ///< the table of documents, with deduplication

  uint64_t graph = 0;  ///< the flow graph, its tasks, and the file buffers of its readers

  uint64_t total() const { return buffer + queue + in_flight + state + seen + graph; }
};

/// Requires: one state at a time.
LoaderMemory plan_loader_memory(const LoaderOptions& options);

}  // namespace pretrain
