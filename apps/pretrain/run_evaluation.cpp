// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_evaluation.h"

#include <memory>

#include "apps/pretrain/report.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "pipeline/corpus/scan.h"
#include "pipeline/evaluation_set.h"

namespace pretrain {
namespace {

EvaluationProgress progress_line(const EvaluationRequest& request, const char* action) {
  const auto log = std::make_shared<ProgressLog>();
  return [log, action, &request](uint64_t sequences) {
    if (request.on_progress) request.on_progress();
    const auto context = static_cast<uint64_t>(request.config.model.context);
    log->tell(fmt::format("{} the evaluation set: {} of at most {} tokens", action,
                          format_count(sequences * context), format_count(request.config.validation_tokens)));
  };
}

/// Warns about text of the training corpus that is used neither for training nor for evaluation.
void report_unused_text(const RunConfiguration& config) {
  const double share = 100 * config.corpus.validation_fraction;
  if (share == 0 || (!config.validation_corpus && config.validation_tokens > 0)) return;
  log_warning(
      "--validation-fraction holds out {:.3g} % of the training corpus, which is not used: {}", share,
      config.validation_corpus ? "the run is evaluated on --validation-corpus" : "--validation-tokens is 0");
}

void report_no_evaluation(const RunConfiguration& config) {
  if (config.validation_tokens == 0) {
    log_info("no validation: --validation-tokens is 0");
  } else if (config.validation_tokens < static_cast<uint64_t>(config.model.context)) {
    // Earlier versions only evaluated whole sequences, and a run keeps its evaluation set.
    log_warning("no validation: --validation-tokens {} is less than the context of {}",
                config.validation_tokens, config.model.context);
  } else if (config.validation_corpus) {
    log_warning("no validation: --validation-corpus has no text; use one with more text");
  } else if (config.corpus.validation_fraction == 0) {
    log_info("no validation: --validation-fraction is 0, so no text is held out");
  } else {
    log_warning(
        "no validation: the corpus is too small to hold out a share of {}; raise --validation-fraction or "
        "give a "
        "--validation-corpus",
        config.corpus.validation_fraction);
  }
}

}  // namespace

void collect_run_evaluation(FileSystem& files, const Path& path, const EvaluationRequest& request,
                            const std::stop_token& stop) {
  const RunConfiguration& config = request.config;
  CorpusOptions options = config.validation_corpus.value_or(config.corpus);
  if (config.validation_corpus) options.validation_fraction = 1;  // evaluate on all of it
  const bool known = request.catalog != nullptr && !config.validation_corpus;
  const Catalog catalog = known
                              ? *request.catalog
                              : scan_corpus(options, nullptr, {.stop = stop, .on_file = request.on_progress});
  const auto context = static_cast<uint32_t>(config.model.context);
  HeldOutText text(options, catalog, request.tokenizer, context,
                   whole_sequences(config.validation_tokens, context), stop);
  collect_evaluation_set(files, path, text, progress_line(request, "collecting"));
}

EvaluationSet open_run_evaluation(const Path& path, const EvaluationRequest& request,
                                  const std::stop_token& stop) {
  const auto context = static_cast<uint32_t>(request.config.model.context);
  return open_evaluation_set(path, context, request.tokenizer, stop, progress_line(request, "checking"));
}

void report_evaluation(const RunConfiguration& config, const EvaluationSet& set) {
  report_unused_text(config);
  if (set.target_count == 0) {
    report_no_evaluation(config);
  } else {
    log_info("evaluation set: {}, {}", format_counted(set.sequences, "sequence"),
             format_counted(set.target_count, "token"));
  }
}

}  // namespace pretrain
