// SPDX-License-Identifier: Apache-2.0
#pragma once
// The model that a command uses when none is named.

#include "libs/base/file.h"

namespace pretrain {

/// The folder of a command that was given none: that of PRETRAIN_STATE, or else as for a run without --state.
/// Errors: kUsage when the variable is empty, or there is no default.
Path chosen_state_folder();

/// `given`, else $PRETRAIN_CHECKPOINT, else the default state folder, which the log names then.
/// Errors: kUsage when that is not the folder of a run.
Path checkpoint_or_newest(const Path& given);

}  // namespace pretrain
