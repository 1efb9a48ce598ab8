// SPDX-License-Identifier: Apache-2.0
#pragma once
// A state folder or its `checkpoints` may be a link to another disk. Without the disk, a run must not look like one that
// has no checkpoint. Thread-safe: no state.

#include <string>

#include "libs/base/file.h"

namespace pretrain {

/// Refuses a state folder that is a link to nowhere, or whose `checkpoints` is one.
/// Errors: kData, with the place that the link names.
void require_linked_place(const Path& state_folder);

/// " (a link to /disk/checkpoints, which is empty: is the disk mounted?)" if the folder of checkpoints is an empty folder
/// that a link leads to, else "".
/// Errors: IoError.
std::string note_on_empty_link(const Path& state_folder);

}  // namespace pretrain
