// SPDX-License-Identifier: Apache-2.0
#pragma once
// Saves and restores the batches that were made but not trained. Thread-safe: free functions.

#include <deque>
#include <vector>

#include "libs/data/batch_source.h"
#include "pipeline/batch_assembler.h"

namespace pretrain {

/// Appends the batches to the state, which holds the only copy of them.
/// Requires: all of one shape.
void save_queue(const std::deque<Batch>& batches, StreamState& state);

/// The batches of a state, oldest first.
/// Errors: kData when they are damaged or do not fit the options.
std::vector<Batch> restore_queue(const StreamState& state, const AssemblerOptions& options);

}  // namespace pretrain
