// SPDX-License-Identifier: Apache-2.0
#pragma once
// Formats the state of a run: the live line of a terminal, the status lines of a log, the status for the
// service manager, and the result of an evaluation.

#include <cstddef>
#include <string>

#include "libs/train/run_snapshot.h"

namespace pretrain {

/// The line in at most `columns` characters. The most important parts (step, loss, validation, time left,
/// last save, tokens/s) come first, others follow if there is room. A part is abbreviated or omitted, never
/// cut.
std::string live_line(const RunSnapshot& run, size_t columns);

/// The same for a log, so that it fits 120 columns together with the time.
std::string status_line(const RunSnapshot& run);

/// One sentence for `systemctl status`, with the reason if the last checkpoint failed.
std::string service_status(const RunSnapshot& run);

/// "tower 3, desk (192.168.1.11) 1": the slots of each machine.
std::string shares_text(const std::vector<MachineShare>& shares);

/// "loss 1.9032, perplexity 6.7, 2.743 bits per byte", or in words if it is not a number.
std::string evaluation_text(const EvaluationResult& result);

/// ", the best so far", or which one is and how long ago: "; best 3.4120 at step 400, 2 evaluations ago".
/// Empty for the first evaluation.
std::string best_text(const RunSnapshot& run);

/// A loss with `digits` decimals; only its magnitude if it exploded; "not finite" if it is not a number.
std::string loss_text(double loss, int digits);

}  // namespace pretrain
