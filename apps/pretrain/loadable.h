#pragma once
// Whether a run can continue from a checkpoint. Thread-safe: no state.

#include <stop_token>

#include "libs/checkpoint/start_point.h"

namespace pretrain {

/// judge_checkpoint(), and whether what fits its hash also makes sense: configuration, tokenizer, tensors,
/// numbers and stream are read as a resume reads them. One that can't be loaded counts as damaged.
/// Errors: NewerFormatError, Stopped.
[[nodiscard]] CheckpointVerdict judge_for_resume(const Path& folder, const std::stop_token& stop = {});

}  // namespace pretrain
