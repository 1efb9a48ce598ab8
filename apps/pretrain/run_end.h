#pragma once
// What is said at the end of a run: why it ended, how to continue, and the ways out of a run that diverged.

#include <string>

#include "apps/pretrain/configuration.h"
#include "libs/train/diverged.h"
#include "libs/train/summary.h"

namespace pretrain {

/// "nothing to do: --steps 2000 is reached; add --steps 4000 (0: no limit)" when a limit was reached before
/// the first step of the session, else nothing.
std::string nothing_to_do(const RunSummary& summary, const RunConfiguration& config);

/// "limit of --steps 2000 reached", "stopped on request", "all epochs done".
std::string reason_of_end(const RunSummary& summary, const RunConfiguration& config);

/// What a resume needs so that it does not end at once: " --steps 4000", or "".
std::string raised_limits(const RunSummary& summary, const RunConfiguration& config);

/// Commands that lead on from a run that diverged, as they can be typed.
std::string ways_on(const Diverged::Facts& facts, const RunConfiguration& config);

/// Warns of what the last session left out: steps that were not finite, records that could not be written.
void report_losses(const RunSummary& summary);

}  // namespace pretrain
