#pragma once
// What is printed before and after a run.

#include <chrono>
#include <string>
#include <vector>

#include "apps/pretrain/configuration.h"
#include "apps/pretrain/console.h"
#include "libs/base/machine.h"
#include "libs/model/memory_plan.h"

namespace pretrain {

/// Lengths of documents in tokens, from a sample.
struct TokenStatistics {
  uint64_t documents = 0;
  uint64_t tokens = 0, bytes = 0;
  uint64_t shortest = 0, longest = 0;
  uint64_t longer_than_context = 0;
};

/// Encodes documents until about `max_bytes` of text are done.
TokenStatistics measure_tokens(const std::vector<std::string>& documents, const Tokenizer& tokenizer,
                               uint32_t context, uint64_t max_bytes);

void report_corpus(const Catalog& catalog);
void report_tokens(const TokenStatistics& statistics, const Tokenizer& tokenizer, uint32_t context,
                   uint64_t epoch_tokens);
void report_model(const RunConfiguration& config, const ParameterLayout& layout);

/// Logs what a long piece of work says of its progress: the first line, then one every two seconds at most.
class ProgressLog {
 public:
  void tell(const std::string& line);

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point next_ = Clock::now();
};

/// Compares what a run needs with what there is and says so.
/// Errors: kUsage when memory or disk can't hold the run, with the numbers.
void check_resources(const RunConfiguration& config, const ParameterLayout& layout, const Machine& machine);

/// The end: how far, how fast, where the time went, validation and samples side by side.
void report_summary(const RunSummary& summary, const Console& console, const RunConfiguration& config,
                    double peak_flops);

}  // namespace pretrain
