#pragma once
// Where a log of JSON lines is cut when a run goes back to a checkpoint. The checkpoint holds a place in the
// file; but the file may have been edited, replaced or cut since. Thread-safe: free functions.

#include <cstdint>
#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

#include "libs/base/file.h"

namespace pretrain {

struct LogCut {
  uint64_t offset_bytes = 0;  ///< at the beginning of a line, or at the end of the last one
  bool as_saved = true;       ///< it is the place that was asked for
};

/// The place itself when a line begins there, no record before it is of a step after `step`, and none after
/// it of a step before. Else the file is read from its beginning, and the cut is before the first line that
/// is torn, no record, or of a step after `step`.
/// Errors: IoError.
LogCut find_log_cut(const ReadableFile& log, uint64_t offset_bytes, uint64_t step);

/// The object that the line holds; nothing for a line that is torn or no record.
std::optional<nlohmann::json> record_of(std::string_view line);

}  // namespace pretrain
