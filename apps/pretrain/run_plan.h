// SPDX-License-Identifier: Apache-2.0
#pragma once
// Chooses model, vocabulary, batch, rate, schedule and steps for a given time: of the runs that end within it, cooled
// down, those with the lowest predicted bits per byte. A pure function of what was measured. Thread-safe.

#include <cstdint>
#include <string_view>
#include <vector>

#include "apps/pretrain/run_keys.h"
#include "apps/pretrain/scaling_law.h"
#include "libs/model/config.h"
#include "libs/tensor/precision.h"

namespace pretrain {

/// Operations a second of whole training steps, the update included, of a model with so many for each token.
struct MeasuredSpeed {
  double flops_per_token = 0, flops_per_second = 0;
};

/// What a plan is made from.
struct PlanFacts {
  double seconds = 0;                ///< from the command to the last save
  std::vector<MeasuredSpeed> speed;  ///< by flops_per_token
  uint64_t memory_bytes = 0;         ///< that the run may take
  int threads = 1, workers = 1;
  Precision precision = Precision::kFloat32;
  double text_bytes = 0;              ///< of training text in an epoch
  double yield = 1;                   ///< bytes in a token, compared with English
  double vocabulary_seconds = 0;      ///< that training the vocabulary takes
  double validation_tokens = 32'768;  ///< of an evaluation
  int machines = 1;                   ///< like this one, that share the run
  double network_bits_per_second = 1e9;
};

struct PlannedRun {
  ModelConfig model;
  uint64_t parameters = 0;
  uint64_t memory_bytes = 0;
  int64_t batch = 0;
  double learning_rate = 0;
  uint64_t warmup = 0, steps = 0;
  uint64_t most_steps = 0;  ///< that a faster machine may train: text beyond them would bring nothing
  uint64_t evaluate_every = 0;
  uint64_t shuffle_buffer = 0;
  double validation_fraction = 0;
  double tokens = 0, epochs = 0, tokens_per_second = 0;
  double efficiency = 1;  ///< tokens_per_second of the machines, compared with so many times one
  double seconds = 0;     ///< all of the run; less than given where the text is used up
  PredictedBits predicted;
};

/// The best run of each size, the lowest prediction first; sizes that would overfit so little text are last.
/// Requires: a speed; positive seconds and text.
/// Errors: kUsage when no size fits into the time, or into the memory, with what would.
std::vector<PlannedRun> plan_runs(const PlanFacts& facts);

/// The options of `pretrain train` that make this run.
KeyValues options_of(const PlannedRun& run);

/// Those options, "--layers" and the like, that a plan decides.
std::vector<std::string_view> planned_options();

/// What a model with so many bits per byte of English can write.
std::string_view ability(double bits_per_byte);

}  // namespace pretrain
