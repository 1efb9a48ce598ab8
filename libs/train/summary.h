#pragma once
// How a session of training ended and what it did, for the summary that a user reads.

#include <cstdint>
#include <optional>

#include "libs/data/batch_source.h"
#include "libs/train/evaluation.h"

namespace pretrain {

/// Seconds by what they were spent on, over a session.
struct TimeSplit {
  double forward = 0, backward = 0, loss = 0, optimizer = 0, data_wait = 0, checkpoint = 0, evaluation = 0,
         samples = 0;
};

enum class EndReason { kLimit, kStopped, kStreamEnd };

struct RunSummary {
  EndReason reason = EndReason::kLimit;
  uint64_t first_step = 0, last_step = 0, tokens = 0;  ///< tokens of this session
  uint64_t returns = 0;  ///< times that the run went back to a checkpoint because of non-finite steps
  double seconds = 0;
  double step_seconds = 0;  ///< in steps alone
  TimeSplit split;
  std::optional<EvaluationResult> first_evaluation, last_evaluation;
  SourceStatus source;  ///< at the end
};

}  // namespace pretrain
