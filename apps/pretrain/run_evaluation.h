#pragma once
// The evaluation set of a run: collected at its first start, read again later, and what is said about it.

#include <functional>
#include <stop_token>

#include "apps/pretrain/configuration.h"
#include "libs/data/evaluation_data.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

struct EvaluationRequest {
  const RunConfiguration& config;
  const Tokenizer& tokenizer;
  const Catalog* catalog = nullptr;        ///< of the training corpus when it was just scanned; null: scan it
  std::function<void()> on_progress = {};  ///< called now and then during long work
};

/// Reads the held-out text of the run, or its validation corpus, into a file.
/// Errors: as CorpusReader; IoError; Stopped.
void collect_run_evaluation(FileSystem& files, const Path& path, const EvaluationRequest& request,
                            const std::stop_token& stop);

/// The set in the file, after a check of all of it.
/// Errors: kData when it is damaged; IoError; Stopped.
EvaluationSet open_run_evaluation(const Path& path, const EvaluationRequest& request,
                                  const std::stop_token& stop);

/// Says what the run will be evaluated on, or why on nothing.
void report_evaluation(const RunConfiguration& config, const EvaluationSet& set);

}  // namespace pretrain
