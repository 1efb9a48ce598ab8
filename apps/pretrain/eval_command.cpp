#include <limits>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/pretrain/command_line.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/corpus_arguments.h"
#include "apps/pretrain/model_folder.h"
#include "apps/pretrain/report.h"
#include "libs/base/error.h"
#include "libs/base/machine.h"
#include "libs/base/units.h"
#include "libs/model/generation.h"
#include "libs/model/memory_plan.h"
#include "libs/train/evaluation.h"
#include "pipeline/evaluation_set.h"

namespace pretrain {
namespace {

namespace po = boost::program_options;

/// Logits of given ids and a greedy continuation, for comparison with other programs.
nlohmann::json logits_of(ModelFolder& model, Compute& compute, const Path& ids_file) {
  std::vector<uint32_t> ids;
  std::istringstream words(read_file(ids_file));
  for (uint32_t id = 0; words >> id;) ids.push_back(id);
  if (ids.empty() || ids.size() > static_cast<size_t>(model.config.context)) {
    fail(ErrorKind::kUsage, "{}: 1 to {} ids are needed", ids_file.string(), model.config.context);
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

}  // namespace

int eval_command(const Arguments& arguments, StopSignal& stop) {
  std::string checkpoint;
  std::string ids_file;
  std::vector<std::string> corpus;
  CorpusArguments reading;
  std::string on_changed = "fail";
  uint64_t tokens = 0;
  int threads = 0;
  po::options_description options;
  options.add_options()("checkpoint", po::value(&checkpoint)->required(),
                        "checkpoint, run's state folder, or model folder")(
      "corpus", po::value(&corpus)->multitoken(), "files and folders to evaluate on, all of their text")(
      "on-changed", po::value(&on_changed)->default_value(on_changed),
      "when a file changes while it is read: fail or skip")("tokens", po::value(&tokens)->default_value(0),
                                                            "at most this many tokens; 0: all")(
      "logits", po::value(&ids_file),
      "print the logits after the ids (separated by blanks) in this file instead")(
      "threads", po::value(&threads)->default_value(0), "0: all cores");
  reading.add_to(options);
  const std::string usage =
      "pretrain eval --checkpoint DIR --corpus PATH...\n"
      "Loss in nats per token, perplexity, and bits per byte of text.";
  if (!parse_command_line(arguments, options, usage)) return 0;
  if (corpus.empty() && ids_file.empty())
    fail(ErrorKind::kUsage, "--corpus is missing; usage: {}", usage.substr(0, usage.find('\n')));
  CorpusOptions corpus_options = reading.options(corpus);
  corpus_options.on_changed = parse_on_changed(on_changed);
  corpus_options.validation_fraction = 1;
  ModelFolder model = open_model(checkpoint);
  Compute compute(threads > 0 ? threads : inspect_machine().cores);
  if (!ids_file.empty()) {
    fmt::print("{}\n", logits_of(model, compute, ids_file).dump());
    return 0;
  }
  const Catalog catalog = scan_corpus(corpus_options, nullptr, {.stop = stop.token()});
  report_corpus(catalog);
  const auto context = static_cast<uint32_t>(model.config.context);
  const uint64_t sequences =
      tokens > 0 ? (tokens + context - 1) / context : std::numeric_limits<uint64_t>::max();
  const EvaluationData data =
      collect_evaluation_set(corpus_options, catalog, *model.tokenizer, context, sequences, stop.token());
  if (data.target_count == 0) fail(ErrorKind::kData, "the corpus holds no text to evaluate on");
  constexpr int64_t kTokensAtOnce = 2048;
  const int64_t rows =
      micro_batch_rows(std::max<int64_t>(1, kTokensAtOnce / context), context, kTokensAtOnce);
  Transformer transformer(compute, {model.config, rows, false});
  transformer.use_parameters(model.parameters.data());
  const EvaluationResult result = evaluate(transformer, data, stop.token());
  fmt::print("{}: {} tokens, {} of text\n", model.place.name(), format_count(data.target_count),
             format_bytes(data.target_bytes));
  fmt::print("loss {:.4f} nats per token, perplexity {:.2f}, {:.4f} bits per byte\n", result.loss,
             result.perplexity, result.bits_per_byte);
  return 0;
}

}  // namespace pretrain
