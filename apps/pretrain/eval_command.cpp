// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cmath>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/corpus_arguments.h"
#include "apps/pretrain/model_folder.h"
#include "apps/pretrain/report.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/machine.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/model/generation.h"
#include "libs/model/memory_plan.h"
#include "libs/train/evaluation.h"
#include "pipeline/corpus/scan.h"
#include "pipeline/held_out_text.h"

namespace pretrain {
namespace {

struct EvalRequest {
  Path checkpoint;
  CorpusOptions corpus{.validation_fraction = 1};
  uint64_t tokens = 0;
  Path ids_file;
  int threads = 0;
};

constexpr CommandSyntax kSyntax{.name = "eval",
                                .usage =
                                    "pretrain eval --checkpoint DIR --corpus PATH...\n\n"
                                    "Prints the loss in nats per token, the perplexity, and bits per byte.",
                                .examples =
                                    "Example:\n"
                                    "  pretrain eval --checkpoint ~/.local/state/pretrain test.txt",
                                .positional = "corpus"};

OptionTable<EvalRequest> options() {
  using Request = EvalRequest;
  return OptionTable<Request>{{{"checkpoint", "checkpoint, a run's state folder, or a model folder"},
                               path_of<Request>(&Request::checkpoint)},
                              {{"corpus", "files and folders to evaluate on"},
                               paths_of<Request>(at(&Request::corpus, &CorpusOptions::inputs))},
                              {{"tokens", "maximum number of tokens to evaluate; 0: all"},
                               count_of<Request>(&Request::tokens)},
                              {{"logits",
                                "instead, print the logits (values before the softmax) that follow the token "
                                "ids in this file, "
                                "which are separated by blanks"},
                               path_of<Request>(&Request::ids_file)},
                              on_changed_option<Request>(&Request::corpus),
                              threads_option<Request>(&Request::threads)} +
         corpus_options<Request>(&Request::corpus);
}

/// Logits for given ids and their greedy continuation, to compare with other programs.
nlohmann::json logits_of(ModelFolder& model, Compute& compute, const Path& ids_file) {
  std::vector<uint32_t> ids;
  std::istringstream words(read_file(ids_file));
  for (uint32_t id = 0; words >> id;) ids.push_back(id);
  if (ids.empty() || ids.size() > static_cast<size_t>(model.config.context)) {
    fail(ErrorKind::kUsage, "{} must hold between 1 and {} ids", ids_file.string(), model.config.context);
  }
  for (const uint32_t id : ids) {
    if (id >= model.config.vocabulary)
      fail(ErrorKind::kUsage, "{}: id {} is not in the vocabulary", ids_file.string(), id);
  }
  Transformer transformer(compute, {model.config, 1, false});
  transformer.use_parameters(model.parameters.data());
  std::vector<uint32_t> inputs = ids;
  inputs.resize(static_cast<size_t>(model.config.context), 0);
  const std::vector<int32_t> targets(inputs.size(), 0);
  transformer.evaluate(inputs.data(), targets.data());
  const auto V = static_cast<size_t>(model.config.vocabulary);
  std::vector<float> logits(inputs.size() * V);
  transformer.logits(logits.data());

  nlohmann::json rows = nlohmann::json::array();
  for (size_t t = 0; t < ids.size(); ++t) {
    rows.push_back(std::vector<float>(logits.begin() + static_cast<int64_t>(t * V),
                                      logits.begin() + static_cast<int64_t>((t + 1) * V)));
  }
  Generator generator(compute, model.config, *model.layout, model.parameters.data());
  Rng rng(0);
  std::span<const float> next;
  for (const uint32_t id : ids) next = generator.feed(id);
  std::vector<uint32_t> continuation;
  for (size_t i = 0; i < 16 && ids.size() + i < static_cast<size_t>(model.config.context); ++i) {
    continuation.push_back(sample_token(next, {.temperature = 0}, rng));
    next = generator.feed(continuation.back());
  }
  return {{"ids", ids}, {"logits", rows}, {"continuation", continuation}};
}

/// Logs the progress of a long evaluation every two seconds.
class EvaluationLog {
 public:
  void tell(uint64_t tokens) {
    constexpr std::chrono::seconds kPause{2};
    if (Clock::now() < next_) return;
    log_info("evaluated {} tokens so far", format_count(tokens));
    next_ = Clock::now() + kPause;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point next_ = Clock::now() + std::chrono::seconds(2);
};

/// Evaluates the text piece by piece, so that memory does not grow with the corpus. `most_tokens` 0: no
/// limit.
void evaluate_text(ModelFolder& model, Compute& compute, const CorpusOptions& corpus, const Catalog& catalog,
                   uint64_t most_tokens, const std::stop_token& stop) {
  constexpr int64_t kTokensAtOnce = 2048;
  const int64_t context = model.config.context;
  const int64_t rows =
      micro_batch_rows(std::max<int64_t>(1, kTokensAtOnce / context), context, kTokensAtOnce);
  Transformer transformer(compute, {model.config, rows, false});
  transformer.use_parameters(model.parameters.data());
  HeldOutLimits limits;
  if (most_tokens > 0) limits.targets = most_tokens;
  HeldOutText text(corpus, catalog, *model.tokenizer, static_cast<uint32_t>(context), limits, stop);
  const auto read = [&text](std::span<uint32_t> inputs, std::span<int32_t> targets) {
    return text.read(inputs, targets);
  };
  EvaluationLog log;
  const double total = total_loss(transformer, read, stop, [&] { log.tell(text.target_count()); });
  if (text.target_count() == 0) {
    fail(ErrorKind::kData, "the corpus has no text: all of its documents are empty; use another --corpus");
  }
  const EvaluationResult result = to_result(total, text.target_count(), text.target_bytes());
  const bool cut = most_tokens > 0 && text.target_count() >= most_tokens;
  fmt::print("{}: {}, {} of text, {}\n", model.place.name(), format_counted(text.target_count(), "token"),
             format_bytes(text.target_bytes()), cut ? "limited by --tokens" : "the whole corpus");
  if (!std::isfinite(result.loss)) {
    fmt::print("the loss is not finite: the model overflows on this text\n");
    return;
  }
  fmt::print("loss {:.4f} nats per token, perplexity {:.2f}, {}\n", result.loss, result.perplexity,
             text.target_bytes() > 0 ? fmt::format("{:.4f} bits per byte", result.bits_per_byte)
                                     : "no bits per byte: none of these tokens represents text");
}

}  // namespace

int eval_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  const CorpusOptions& corpus_options = request->corpus;
  const Path& ids_file = request->ids_file;
  const uint64_t tokens = request->tokens;
  const Path checkpoint = checkpoint_or_environment(request->checkpoint, kSyntax);
  if (corpus_options.inputs.empty() && ids_file.empty()) fail_missing("corpus", kSyntax);
  ModelFolder model = open_model(checkpoint);
  Compute compute(request->threads > 0 ? request->threads : inspect_machine().cores);
  if (!ids_file.empty()) {
    fmt::print("{}\n", logits_of(model, compute, ids_file).dump());
    return 0;
  }
  const Catalog catalog = scan_corpus(corpus_options, nullptr, {.stop = stop.token()});
  report_corpus(catalog);
  evaluate_text(model, compute, corpus_options, catalog, tokens, stop.token());
  return 0;
}

}  // namespace pretrain
