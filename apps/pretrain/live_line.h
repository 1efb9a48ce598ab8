#pragma once
// What is said of a run's state: the live line of a terminal, the lines of a log, the service manager's
// status, and how an evaluation came out.

#include <cstddef>
#include <string>

#include "libs/train/run_snapshot.h"

namespace pretrain {

/// What matters comes first: step, loss, validation, time left, last save, tokens/s; the rest follows where
/// there is room. Nothing is cut: a part is written shorter, or left out whole. At most `columns` characters.
std::string live_line(const RunSnapshot& run, size_t columns);

/// The same for a log, so that it fits 120 columns with the time before it.
std::string status_line(const RunSnapshot& run);

/// For `systemctl status`: one sentence, in which a checkpoint that failed has its reason.
std::string service_status(const RunSnapshot& run);

/// "loss 1.9032, perplexity 6.7, 2.743 bits per byte", or in words that it is no number.
std::string evaluation_text(const EvaluationResult& result);

/// A loss with `digits` after the point; only its size when it exploded; "not finite" for no number.
std::string loss_text(double loss, int digits);

}  // namespace pretrain
