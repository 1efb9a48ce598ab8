// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/choice_task.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/corpus_arguments.h"
#include "apps/pretrain/default_model.h"
#include "apps/pretrain/eval_report.h"
#include "apps/pretrain/idle_option.h"
#include "apps/pretrain/idle_reading.h"
#include "apps/pretrain/model_folder.h"
#include "apps/pretrain/report.h"
#include "apps/pretrain/shell_text.h"
#include "apps/pretrain/token_ids.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/machine.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/checkpoint/verify.h"
#include "libs/gguf/reader.h"
#include "libs/model/generation.h"
#include "libs/model/longest_context.h"
#include "libs/model/memory_plan.h"
#include "libs/train/evaluation.h"
#include "pipeline/corpus/scan.h"
#include "pipeline/held_out_text.h"

namespace pretrain {
namespace {

struct EvalRequest {
  std::vector<Path> checkpoints;
  bool all_checkpoints = false;
  CorpusOptions corpus{.validation_fraction = 1};
  std::vector<Path> tasks;
  uint64_t tokens = 0;
  bool per_file = false;
  bool json = false;
  Path ids_file;
  int64_t context = 0;  ///< 0: the model's
  int threads = 0;
};

constexpr CommandSyntax kSyntax{
    .name = "eval",
    .usage =
        "pretrain eval [--checkpoint DIR]... [--corpus PATH...] [--task FILE]...\n\n"
        "Prints the loss in nats per token, the perplexity, and bits per byte of text,\n"
        "and the accuracy in multiple-choice tasks.",
    .examples =
        "Examples:\n"
        "  pretrain eval --checkpoint ~/.local/state/pretrain test.txt\n"
        "  pretrain eval --checkpoint RUN --all-checkpoints --corpus test.txt\n"
        "  pretrain eval --checkpoint A --checkpoint B --task cloze.jsonl --json\n"
        "\n"
        "A task has one object a line, in which the answer is a number from 0 on or a\n"
        "choice: {\"context\": \"The sky is\", \"choices\": [\"blue\", \"loud\"], \"answer\": 0}",
    .positional = "corpus"};

/// Models: each follows the option's name again, as files may follow it.
OptionValue<EvalRequest> models() {
  OptionValue<EvalRequest> value = paths_of<EvalRequest>(&EvalRequest::checkpoints);
  value.shape.placeholder = "DIR";
  return value;
}

OptionTable<EvalRequest> options() {
  using Request = EvalRequest;
  return OptionTable<Request>{
             {{"checkpoint",
               "checkpoint, a run's state folder, a model folder, or a GGUF file; may be given several times",
               "", KeyKind::kChangeable, "the newest checkpoint in the default state folder"},
              models()},
             {{"all-checkpoints", "of each run, evaluate every checkpoint that it has kept"},
              switch_of<Request>(&Request::all_checkpoints)},
             {{"corpus", "files and folders to evaluate on"},
              paths_of<Request>(at(&Request::corpus, &CorpusOptions::inputs))},
             {{"task", "files with multiple-choice questions"}, paths_of<Request>(&Request::tasks)},
             {{"tokens", "maximum number of tokens to evaluate, of each file with --per-file; 0: all"},
              count_of<Request>(&Request::tokens)},
             {{"per-file", "evaluate each file of the corpus by itself, and add up"},
              switch_of<Request>(&Request::per_file)},
             {{"context", "tokens in a window of text, where positions are rotary", "", KeyKind::kChangeable,
               "the model's"},
              optional_count_of<Request>(&Request::context, kLongestContext)},
             {{"json", "print one JSON object"}, switch_of<Request>(&Request::json)},
             {{"logits",
               "instead, print the logits (values before the softmax) that follow the token ids in this file, "
               "which are separated by blanks"},
              path_of<Request>(&Request::ids_file)},
             on_changed_option<Request>(&Request::corpus),
             threads_option<Request>(&Request::threads)} +
         corpus_options<Request>(&Request::corpus);
}

bool has_no_text(const EvalRequest& request) {
  return request.corpus.inputs.empty();
}
bool prints_logits(const EvalRequest& request) {
  return !request.ids_file.empty();
}

constexpr std::string_view kNoText = "without --corpus";
constexpr IdleOption<EvalRequest> kIdle[] = {
    {"tokens", has_no_text, kNoText, "--corpus"},
    {"on-changed", has_no_text, kNoText, "--corpus"},
    {"documents", has_no_text, kNoText, "--corpus"},
    {"text-key", has_no_text, kNoText, "--corpus"},
    {"namespaces", has_no_text, kNoText, "--corpus"},
    {"disambiguation", has_no_text, kNoText, "--corpus"},
    {"template-rules", has_no_text, kNoText, "--corpus"},
    {"json", prints_logits, "with --logits, which prints JSON"},
    {"context", prints_logits, "with --logits, which has a context of the ids"}};

std::vector<uint32_t> ids_in(const Path& file, const ModelConfig& config) {
  constexpr uint64_t kMostBytes = 1_MiB;  // of as many ids as the longest context
  std::vector<uint32_t> ids;
  try {
    ids = parse_token_ids(read_file(file, kMostBytes), static_cast<uint32_t>(config.vocabulary));
  } catch (const IoError& error) {
    fail(ErrorKind::kUsage, "--logits: {}; check the path and its permissions", error.what());
  } catch (const Error& error) {
    fail(error.kind(), "--logits {}: {}", file.string(), error.what());
  }
  if (ids.empty() || ids.size() > static_cast<size_t>(config.context)) {
    fail(ErrorKind::kUsage, "--logits {}: it must hold between 1 and {} ids (got {})", file.string(),
         config.context, ids.size());
  }
  return ids;
}

/// Positions to compute logits at: no more than there are ids, except that learned positions are part of the layout.
ModelConfig config_for(const ModelConfig& config, size_t ids) {
  ModelConfig result = config;
  if (config.rope_theta != 0) result.context = std::max<int64_t>(2, static_cast<int64_t>(ids));
  return result;
}

/// Logits for given ids and their greedy continuation, to compare with other programs.
nlohmann::json logits_of(ModelFolder& model, Compute& compute, const Path& ids_file) {
  const std::vector<uint32_t> ids = ids_in(ids_file, model.config);
  const ModelConfig config = config_for(model.config, ids.size());
  Transformer transformer(compute, {config, 1, false});
  transformer.use_parameters(model.parameters.data());
  std::vector<uint32_t> inputs = ids;
  inputs.resize(static_cast<size_t>(config.context), 0);
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

/// A model among the texts: words without an option's name are texts here, where other commands take a model.
void refuse_models(const CorpusOptions& corpus) {
  for (const Path& path : corpus.inputs) {
    const bool is_model = folder_exists(path)
                              ? file_exists(path / kManifestName) || is_model_without_run(path) ||
                                    !list_checkpoints(path).empty()
                              : is_gguf(path);
    if (is_model)
      fail(ErrorKind::kUsage, "--corpus {}: this is a model and no text; give it as --checkpoint {}",
           path.string(), shell_path(path));
  }
}

void check(const EvalRequest& request) {
  const bool has_text = !request.corpus.inputs.empty();
  const bool has_scores = has_text || !request.tasks.empty();
  if (!has_scores && request.ids_file.empty()) fail_missing("corpus", kSyntax);
  if (has_scores && !request.ids_file.empty())
    fail(ErrorKind::kUsage, "--logits are printed instead of scores; leave out {}",
         has_text ? "--corpus" : "--task");
  if (request.per_file && !has_text) fail(ErrorKind::kUsage, "--per-file needs a --corpus");
  refuse_models(request.corpus);
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

/// A model that is ready to evaluate text.
class TextEvaluation {
 public:
  TextEvaluation(const ModelFolder& model, Compute& compute, const EvalRequest& request,
                 const std::stop_token& stop)
      : model_(model),
        request_(request),
        stop_(stop),
        transformer_(compute, {model.config, rows(model), false}) {
    transformer_.use_parameters(model.parameters.data());
  }

  /// Reads the text piece by piece, so that memory does not grow with the corpus.
  TextScore score(const Catalog& catalog) {
    HeldOutLimits limits;
    if (request_.tokens > 0) limits.targets = request_.tokens;
    HeldOutText text(request_.corpus, catalog, *model_.tokenizer,
                     static_cast<uint32_t>(model_.config.context), limits, stop_);
    const auto read = [&text](std::span<uint32_t> inputs, std::span<int32_t> targets) {
      return text.read(inputs, targets);
    };
    TextScore score;
    score.total_loss =
        total_loss(transformer_, read, stop_, [&] { log_.tell(before_ + text.target_count()); });
    score.tokens = text.target_count();
    score.bytes = text.target_bytes();
    score.is_cut = request_.tokens > 0 && text.target_count() >= request_.tokens;
    score.damage = damage_in(text.skips());
    before_ += score.tokens;
    return score;
  }

 private:
  static int64_t rows(const ModelFolder& model) {
    constexpr int64_t kTokensAtOnce = 2048;
    const int64_t context = model.config.context;
    return micro_batch_rows(std::max<int64_t>(1, kTokensAtOnce / context), context, kTokensAtOnce);
  }

  const ModelFolder& model_;
  const EvalRequest& request_;
  std::stop_token stop_;
  Transformer transformer_;
  EvaluationLog log_;
  uint64_t before_ = 0;  // tokens of earlier files
};

void evaluate_text(TextEvaluation& evaluation, const Catalog& catalog, bool per_file, ModelScores& scores) {
  TextScore total;
  if (per_file) {
    for (const Shard& shard : catalog.shards) {
      Catalog one;
      one.shards = {shard};
      scores.files.push_back({shard.name, evaluation.score(one)});
      total.add(scores.files.back().score);
    }
  } else {
    total = evaluation.score(catalog);
  }
  if (total.tokens == 0)
    fail(ErrorKind::kData, "the corpus has no text: all of its documents are empty; use another --corpus");
  scores.text = total;
}

/// Rotary positions have no tensors, so that windows of any length can be evaluated.
void set_context(ModelConfig& config, int64_t asked) {
  if (asked == 0 || asked == config.context) return;
  if (config.rope_theta == 0) {
    fail(
        ErrorKind::kUsage,
        "--context {} needs rotary positions (llama, qwen3); this model has learned {} positions, so leave it out",
        asked, config.context);
  }
  if (asked > config.context) {
    log_warning(
        "--context {} is beyond the {} positions that the model was trained with; expect a worse loss", asked,
        config.context);
  }
  config.context = std::max<int64_t>(2, asked);
}

/// A file of questions.
struct Task {
  std::string name;
  std::vector<Question> questions;
};

ModelScores evaluate(const Path& checkpoint, const EvalRequest& request,
                     const std::optional<Catalog>& catalog, const std::vector<Task>& tasks, Compute& compute,
                     const std::stop_token& stop) {
  ModelFolder model = open_model(checkpoint);
  set_context(model.config, request.context);
  ModelScores scores{.name = model.place.name(), .folder = model.place.folder.string()};
  if (model.place.checkpoint) scores.step = model.place.checkpoint->step;
  if (catalog) {
    TextEvaluation evaluation(model, compute, request, stop);
    evaluate_text(evaluation, *catalog, request.per_file, scores);
  }
  if (tasks.empty()) return scores;
  BatchGenerator generator(compute, model.config, *model.layout, model.parameters.data(), {});
  for (const Task& task : tasks)
    scores.tasks.push_back({task.name, score_questions(generator, *model.tokenizer, task.questions, stop)});
  return scores;
}

/// The models to evaluate: with --all-checkpoints each checkpoint of a run, the oldest first.
std::vector<Path> places(const EvalRequest& request) {
  std::vector<Path> given = request.checkpoints;
  if (given.empty()) given.push_back(checkpoint_or_newest({}));
  if (!request.all_checkpoints) return given;
  std::vector<Path> all;
  for (const Path& run : given) {
    std::vector<Path> kept;
    for (const CheckpointEntry& entry : list_checkpoints(run)) kept.push_back(entry.folder);
    if (kept.empty()) {
      fail(ErrorKind::kData, "--all-checkpoints needs the state folder of a run with checkpoints (got {})",
           run.string());
    }
    std::ranges::sort(kept);
    all.insert(all.end(), kept.begin(), kept.end());
  }
  return all;
}

void print_logits(const EvalRequest& request, Compute& compute) {
  const std::vector<Path> chosen = places(request);
  if (chosen.size() > 1) fail(ErrorKind::kUsage, "--logits is for one model (got {})", chosen.size());
  ModelFolder model = open_model(chosen.front());
  fmt::print("{}\n", logits_of(model, compute, request.ids_file).dump());
}

std::vector<Task> read_tasks(const EvalRequest& request) {
  std::vector<Task> tasks;
  try {
    for (const Path& path : request.tasks) tasks.push_back({path.filename().string(), read_questions(path)});
  } catch (const IoError& error) {
    fail(ErrorKind::kUsage, "--task: {}; check the path and its permissions", error.what());
  }
  return tasks;
}

}  // namespace

int eval_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  report_idle_options(*request, options(), kIdle);
  check(*request);
  Compute compute(request->threads > 0 ? request->threads : inspect_machine().cores);
  if (!request->ids_file.empty()) {
    print_logits(*request, compute);
    return 0;
  }
  const std::vector<Task> tasks = read_tasks(*request);
  const std::vector<Path> chosen = places(*request);
  std::optional<Catalog> catalog;
  if (!request->corpus.inputs.empty()) {
    catalog = scan_corpus(request->corpus, nullptr, {.stop = stop.token()});
    report_corpus(*catalog);
    report_idle_reading(request->corpus, *catalog);
  }
  std::vector<ModelScores> scores;
  for (const Path& model : chosen)
    scores.push_back(evaluate(model, *request, catalog, tasks, compute, stop.token()));
  report_damage(scores.front());  // all have read the same text
  if (request->json) {
    fmt::print("{}\n", scores_json(scores));
  } else {
    print_scores(scores);
  }
  return 0;
}

}  // namespace pretrain
