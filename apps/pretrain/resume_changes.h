#pragma once
// What a resume may change beside plain keys, and what is to be said of it: steps to skip, and where a cosine
// ends.

#include "apps/pretrain/configuration.h"
#include "apps/pretrain/session.h"
#include "libs/base/file.h"
#include "libs/checkpoint/verify.h"

namespace pretrain {

/// The steps to skip: what this session asks for, and what an earlier one asked for and the checkpoint may
/// not know yet. A run that goes back to an older checkpoint on request begins anew with its wishes. Errors:
/// kUsage when this session asks for steps before the checkpoint's; kData when the record of earlier wishes
/// can't be read.
SkipRanges skips_of(const Path& state_folder, const SessionRequest& request, uint64_t checkpoint_step);

/// Says when a run continues beyond the end of its cosine, at the final rate, and when that end was moved.
void report_schedule(const RunConfiguration& config, const Checkpoint& checkpoint);

}  // namespace pretrain
