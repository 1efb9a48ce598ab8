// SPDX-License-Identifier: Apache-2.0
#pragma once
// The evaluation set of a run: collected at the first start, read from its file later.

#include <functional>
#include <stop_token>

#include "apps/pretrain/configuration.h"
#include "libs/data/evaluation_data.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

struct EvaluationRequest {
  const RunConfiguration& config;
  const Tokenizer& tokenizer;
  const Catalog* catalog = nullptr;        ///< the training corpus, if it was just scanned; null: scan it
  std::function<void()> on_progress = {};  ///< called periodically during long work
};

/// Reads the held-out text of the run, or its validation corpus, into a file.
/// Errors: as CorpusReader; IoError; Stopped.
void collect_run_evaluation(FileSystem& files, const Path& path, const EvaluationRequest& request,
                            const std::stop_token& stop);

/// The set in the file, fully verified.
/// Errors: kData when it is damaged; IoError; Stopped.
EvaluationSet open_run_evaluation(const Path& path, const EvaluationRequest& request,
                                  const std::stop_token& stop);

/// Logs what the run will be evaluated on, or why it will not be evaluated.
void report_evaluation(const RunConfiguration& config, const EvaluationSet& set);

}  // namespace pretrain
