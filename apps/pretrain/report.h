#pragma once
// What the user reads before and after a run.

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "apps/pretrain/configuration.h"
#include "libs/base/machine.h"
#include "libs/model/memory_plan.h"

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
/// `text_bytes` and `epoch_tokens` are those of the whole corpus, estimated.
void report_tokens(const TokenStatistics& statistics, const Tokenizer& tokenizer, uint64_t text_bytes,
                   uint64_t epoch_tokens);
/// Instructions by the name that people know: "AVX-512" for the library's AVX3.
std::string kernel_name(std::string_view target);
/// `word` as a shell takes it for one word.
std::string shell_word(const std::string& word);
/// "pretrain resume", with --state where the folder is not the default one.
std::string resume_command(const Path& state_folder);
/// Where the run lies and how it is stopped and continued.
void report_place(const RunConfiguration& config);
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

/// The end: why, how far, how fast, what was learned, where the model is and what to type next.
void report_summary(const RunSummary& summary, const RunConfiguration& config, double peak_flops);

}  // namespace pretrain
