// SPDX-License-Identifier: Apache-2.0
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
  double bits_per_byte = 0;  ///< of the text of the targets; 0: they have no text
};

/// An evaluation and the step after which it was made.
struct StepEvaluation {
  uint64_t step = 0;
  EvaluationResult result;
};

/// Evaluates all sequences from `read`; the last micro-batch is padded with positions that don't count.
/// `on_progress` is called after each micro-batch.
/// Memory: one micro-batch.
/// Units: nats, over all targets.
/// Requires: sequences of the model's context.
/// Errors: Stopped; those of the reader.
double total_loss(Transformer& model, const SequenceReader& read, const std::stop_token& stop,
                  const std::function<void()>& on_progress = {});

/// Requires: at least one target.
EvaluationResult to_result(double total_loss, uint64_t target_count, uint64_t target_bytes);

/// Evaluates a whole set.
/// Requires: at least one target; the model's context is the set's.
/// Errors: as total_loss().
EvaluationResult evaluate(Transformer& model, const EvaluationSet& set, const std::stop_token& stop,
                          const std::function<void()>& on_progress = {});

}  // namespace pretrain
