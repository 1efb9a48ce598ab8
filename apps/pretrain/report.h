// SPDX-License-Identifier: Apache-2.0
#pragma once
// The messages before and after a run: corpus, model, memory, disk, and the final summary.

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "apps/pretrain/configuration.h"
#include "libs/base/machine.h"
#include "libs/model/memory_plan.h"
#include "pipeline/corpus/sample.h"
#include "pipeline/seen_documents.h"

namespace pretrain {

/// Lengths of documents in tokens, from a sample.
struct TokenStatistics {
  uint64_t documents = 0;
  uint64_t words = 0;
  uint64_t tokens = 0, bytes = 0;
  uint64_t shortest = 0, longest = 0;
  uint64_t longer_than_context = 0;
};

/// Encodes documents until about `max_bytes` of text are done.
TokenStatistics measure_tokens(const std::vector<std::string>& documents, const Tokenizer& tokenizer,
                               uint32_t context, uint64_t max_bytes);

void report_corpus(const Catalog& catalog);
/// `text_bytes` and `epoch_tokens` are estimates for the whole corpus.
void report_tokens(const TokenStatistics& statistics, const Tokenizer& tokenizer, uint64_t text_bytes,
                   uint64_t epoch_tokens);
/// Warns if more of the text is not UTF-8 than damage would explain, which scans see at the start of files alone.
void report_encoding(const TextSample& sample);
/// What of a sample --deduplicate and --min-words would skip.
void report_duplicates(const DuplicateShares& shares, const RunConfiguration& config);
/// The usual name of an instruction set: "AVX-512" for the library's AVX3.
std::string kernel_name(std::string_view target, std::string_view products);

/// The same of this process, for runs in this precision.
std::string kernels_in_use(Precision precision);
/// Logs the state folder and how to stop and continue the run.
void report_place(const RunConfiguration& config);
void report_model(const RunConfiguration& config, const ParameterLayout& layout);

/// Logs the progress of long work: the first line at once, then at most one every two seconds.
class ProgressLog {
 public:
  void tell(const std::string& line);

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point next_ = Clock::now();
};

/// Logs the memory and disk that a run needs and what is available.
/// Errors: kUsage when memory, disk or a limit of the process (limit_check.h) can't hold the run, with the numbers.
void check_resources(const RunConfiguration& config, const ParameterLayout& layout, const Machine& machine);

/// The first loss of the run and the last of the session, which may be the same: "5.5210 at step 0, 1.9032 at
/// step 40 (2.743 bits per byte)"; empty without an evaluation.
std::string validation_text(const RunSummary& summary);

/// Logs the end of a run: the reason, steps, speed, validation loss, where the model is, and what to type
/// next.
void report_summary(const RunSummary& summary, const RunConfiguration& config, double peak_flops);

}  // namespace pretrain
