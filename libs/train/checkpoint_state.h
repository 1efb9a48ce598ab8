// SPDX-License-Identifier: Apache-2.0
#pragma once
// Converts the state of a training run to the files of a checkpoint and back: model.safetensors (with
// config.json and the tokenizer, a Hugging Face model folder), optimizer.safetensors, stream.safetensors,
// state.json.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "libs/checkpoint/folder_writer.h"
#include "libs/checkpoint/verify.h"
#include "libs/data/batch_source.h"
#include "libs/metrics/step_log.h"
#include "libs/model/parameters.h"
#include "libs/optim/optimizer_set.h"
#include "libs/train/evaluation.h"
#include "libs/train/guard.h"
#include "libs/train/skip_ranges.h"

namespace pretrain {

/// The plain numbers of a run.
struct RunState {
  uint64_t step = 0;    ///< optimizer steps, those that were skipped included
  uint64_t tokens = 0;  ///< number of targets trained on
  NonFiniteGuard guard;
  StepLogPosition log;
  double trained_seconds = 0;                      ///< in steps, over all sessions
  double spent_seconds = 0;                        ///< of all sessions, without pauses
  double start_seconds = 0;                        ///< those before the first steps of the sessions
  SkipRanges skips;                                ///< steps whose batches the user wants skipped
  std::optional<StepEvaluation> first_evaluation;  ///< of the run; earlier versions did not keep it
  std::optional<StepEvaluation> evaluation;        ///< the newest
  uint64_t machines_state = 0;                     ///< StepMaker::state_id()
};

/// The content of state.json.
struct SavedNumbers {
  RunState run;
  uint64_t updates = 0;   ///< of the parameters
  nlohmann::json stream;  ///< StreamState::scalars
};

/// Reads the text of the state.json of the checkpoint of this step.
/// Errors: kData, naming `file`, the key and the problem.
SavedNumbers parse_state(std::string_view text, const std::string& file, uint64_t step);

/// The same for a file.
/// Errors: also IoError.
SavedNumbers saved_numbers_of(const Path& path, uint64_t step);

/// Whether the checkpoint was taken between steps that were not finite, so that it may hold their cause.
/// Requires: the folder has a checkpoint's name.
/// Errors: as above.
bool is_of_a_run_in_trouble(const Path& checkpoint_folder);

/// The files of a checkpoint, as views.
/// Requires: all arguments stay unchanged until they have been read.
std::vector<FileContent> checkpoint_files(const RunState& run, const ParameterLayout& layout,
                                          const float* parameters, const OptimizerSet& optimizer,
                                          const StreamState& stream);

/// Reads parameters, state of the optimizers, numbers and stream back.
/// Errors: kData when something is missing or has another shape.
void load_checkpoint(const Checkpoint& checkpoint, const ParameterLayout& layout, float* parameters,
                     OptimizerSet& optimizer, RunState& run, StreamState& stream);

/// The same without the state of the optimizers, for one that starts anew.
/// Errors: as load_checkpoint().
void load_without_optimizer(const Checkpoint& checkpoint, const ParameterLayout& layout, float* parameters,
                            RunState& run, StreamState& stream);

/// Reads and checks everything that load_checkpoint() reads, tensor by tensor, but returns only the stream.
/// Errors: as load_checkpoint().
StreamState check_checkpoint(const Checkpoint& checkpoint, const ParameterLayout& layout,
                             const Optimizers& optimizers);

/// Reads only the parameters.
/// Errors: as above.
void load_parameters(const Path& checkpoint_folder, const ParameterLayout& layout, float* parameters);

}  // namespace pretrain
