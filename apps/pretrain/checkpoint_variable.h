// SPDX-License-Identifier: Apache-2.0
#pragma once
// The model that $PRETRAIN_CHECKPOINT names.

#include <optional>

#include "libs/base/file.h"

namespace pretrain {

/// Empty when the variable is not set.
/// Errors: kUsage when it is set to nothing.
std::optional<Path> checkpoint_in_environment();

}  // namespace pretrain
