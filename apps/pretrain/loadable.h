// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether a run can continue from a checkpoint. Thread-safe: no state.

#include <stop_token>

#include "libs/checkpoint/start_point.h"

namespace pretrain {

/// As judge_checkpoint(), and also tries to load the checkpoint: reads configuration, tokenizer, tensors,
/// numbers and stream as a resume does. A checkpoint that can't be loaded counts as damaged.
/// Errors: NewerFormatError, Stopped.
[[nodiscard]] CheckpointVerdict judge_for_resume(const Path& folder, const std::stop_token& stop = {});

}  // namespace pretrain
