// SPDX-License-Identifier: Apache-2.0
#pragma once
// The messages at the end of a session: why it ended, how to continue, and the remedies for a run that
// diverged.

#include <string>
#include <vector>

#include "apps/pretrain/configuration.h"
#include "libs/metrics/run_log.h"
#include "libs/train/diverged.h"
#include "libs/train/summary.h"

namespace pretrain {

/// "nothing to do: --steps 2000 is reached; add --steps 4000 (0: no limit)" if a limit was reached before the
/// session's first step, otherwise "".
std::string nothing_to_do(const RunSummary& summary, const RunConfiguration& config);

/// "limit reached (--steps 2000)", "stopped on request", "all epochs done (--epochs 2)".
std::string reason_of_end(const RunSummary& summary, const RunConfiguration& config);

/// Options for a resume that would otherwise end immediately: " --steps 4000", or "". A schedule that has ended continues, too.
std::string raised_limits(const RunSummary& summary, const RunConfiguration& config);

/// The command that continues a run, with these limits (raised_limits()). A job of MPI is named again by each start.
std::string command_to_continue(const RunConfiguration& config, const std::string& limits = "");

/// Commands that continue after a run diverged, ready to be typed.
std::string ways_on(const Diverged::Facts& facts, const RunConfiguration& config);

/// A line for each file that lacks records.
std::vector<std::string> record_losses(const LostRecords& lost);

/// Warns about steps of this session that were not finite and records that could not be written.
void report_losses(const RunSummary& summary);

}  // namespace pretrain
