// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds out what a plan needs to know: how fast this machine trains, how much text a corpus has, and how many tokens
// that is. Takes seconds to half a minute.

#include <vector>

#include "apps/pretrain/run_configuration.h"
#include "apps/pretrain/run_plan.h"
#include "libs/base/stop.h"

namespace pretrain {

/// Times steps of one to three models of the family, the larger ones only if they are quick enough. Runs in a child
/// process, so that this one starts no threads.
/// Errors: Stopped.
std::vector<MeasuredSpeed> measure_speed(int threads, Precision precision, const StopSignal& stop);

/// What is known of the corpus, the machine and the precision of a run with this configuration. `speed` is used
/// instead of a measurement unless it is empty. Logs what it does.
/// Errors: kData when there is no text; Stopped.
PlanFacts survey(const RunConfiguration& config, std::vector<MeasuredSpeed> speed, const StopSignal& stop);

}  // namespace pretrain
