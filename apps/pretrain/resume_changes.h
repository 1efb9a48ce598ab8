// SPDX-License-Identifier: Apache-2.0
#pragma once
// Changes at a resume other than plain keys: the steps to skip, and the end of a schedule.

#include "apps/pretrain/configuration.h"
#include "apps/pretrain/session_request.h"
#include "libs/base/file.h"
#include "libs/checkpoint/verify.h"

namespace pretrain {

/// The steps to skip: those of this request, and those of earlier sessions that the checkpoint may not have
/// recorded yet. Going back to an older checkpoint (--from) discards the earlier ones.
/// Errors: kUsage when the request names steps before the checkpoint; kData when the record of earlier
/// requests can't be read.
SkipRanges skips_of(const Path& state_folder, const SessionRequest& request, uint64_t checkpoint_step);

/// The options that differ from the saved ones, for the record of the run: by name, `[old value, new value]`,
/// null for one without a value.
nlohmann::json changed_options(const KeyValues& saved, const KeyValues& now);

/// Logs when a run continues after the end of its schedule, at the final learning rate, and when that
/// end was moved.
void report_schedule(const RunConfiguration& config, const Checkpoint& checkpoint);

}  // namespace pretrain
