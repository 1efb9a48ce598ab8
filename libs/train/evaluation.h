#pragma once
// Loss on sequences that are never trained on.

#include <functional>
#include <stop_token>

#include "libs/data/evaluation_data.h"
#include "libs/model/transformer.h"

namespace pretrain {

struct EvaluationResult {
  double loss = 0;  ///< nats per target
  double perplexity = 0;
  double bits_per_byte = 0;  ///< of the text that the targets stand for
};

/// An evaluation, and after which step it was made.
struct StepEvaluation {
  uint64_t step = 0;
  EvaluationResult result;
};

/// Evaluates all sequences; the last micro-batch is padded with positions that don't count.
/// `on_progress` is called after each micro-batch.
/// Requires: at least one target; the model's context is the data's. Errors: Stopped.
EvaluationResult evaluate(Transformer& model, const EvaluationData& data, const std::stop_token& stop,
                          const std::function<void()>& on_progress = {});

}  // namespace pretrain
