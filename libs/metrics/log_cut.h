// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds where to cut a log of JSON lines when a run goes back to a checkpoint. The checkpoint stores a
// position in the file, but the file may have been edited, replaced or truncated since. Thread-safe: free
// functions.

#include <cstdint>

#include "libs/base/file.h"

namespace pretrain {

struct LogCut {
  uint64_t offset_bytes = 0;  ///< the start of a line, or the end of the file
  bool as_saved = true;       ///< it is the position that was asked for
};

/// The given position, if a line begins there, no record before it has a later step than `step`, and none
/// after it an earlier one. Otherwise reads the file from the start and cuts before the first line that is
/// incomplete, not a record, or of a step after `step`.
/// Errors: IoError.
LogCut find_log_cut(const ReadableFile& log, uint64_t offset_bytes, uint64_t step);

}  // namespace pretrain
