// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tells the checkpoints of one run from those of another.

#include "apps/pretrain/state_folder.h"
#include "libs/checkpoint/manifest.h"

namespace pretrain {

/// Whether two checkpoints may be of one run: no key differs that is fixed for a run, and the vocabulary is the same.
/// A key that only one of them has, from a newer version, says nothing.
bool may_be_of_one_run(const Manifest& a, const Manifest& b);

/// Refuses a folder for copies of checkpoints that lies among the checkpoints of a run, or is the state folder of one:
/// the copies would push out its own.
/// Errors: kUsage; IoError.
void refuse_copies_in_run(const Path& folder);

}  // namespace pretrain
