// SPDX-License-Identifier: Apache-2.0
#pragma once
// The model that a command uses when none is named.

#include <optional>

#include "libs/base/file.h"

namespace pretrain {

/// $PRETRAIN_CHECKPOINT.
/// Errors: kUsage when it is empty.
std::optional<Path> checkpoint_in_environment();

/// `given`, else $PRETRAIN_CHECKPOINT, else the default state folder, which the log names then.
/// Errors: kUsage when that is not the folder of a run.
Path checkpoint_or_newest(const Path& given);

}  // namespace pretrain
