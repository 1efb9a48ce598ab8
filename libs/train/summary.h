// SPDX-License-Identifier: Apache-2.0
#pragma once
// The end and the totals of a session, for the summary that the user reads.

#include <cstdint>
#include <optional>

#include "libs/data/batch_source.h"
#include "libs/train/evaluation.h"
#include "libs/train/run_snapshot.h"

namespace pretrain {

/// Seconds of a session by activity.
struct TimeSplit {
  double forward = 0, backward = 0, loss = 0, optimizer = 0, data_wait = 0, checkpoint = 0, evaluation = 0,
         samples = 0, paused = 0;
};

enum class EndReason { kLimit, kStopped, kStreamEnd };

/// The limits that a run has reached.
struct ReachedLimits {
  bool steps = false, tokens = false, time = false;

  bool any() const { return steps || tokens || time; }
};

struct RunSummary {
  EndReason reason = EndReason::kLimit;
  ReachedLimits limits;
  uint64_t first_step = 0, last_step = 0, tokens = 0;  ///< tokens of this session
  /// The step from which a resume continues. Less than last_step if the last steps were not finite.
  std::optional<uint64_t> saved_step;
  bool ended_amid_bad_steps = false;  ///< the steps after saved_step were not finite
  RunSnapshot run;                    ///< at the end
  double seconds = 0;
  TimeSplit split;
  std::optional<StepEvaluation> first_evaluation;  ///< of the run, as far as it is known
  std::optional<StepEvaluation> last_evaluation;   ///< of the run, in this session or before it
  SourceStatus source;                             ///< at the end
};

}  // namespace pretrain
