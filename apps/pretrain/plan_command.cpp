// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/budget.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/configuration.h"
#include "apps/pretrain/corpus_arguments.h"
#include "apps/pretrain/idle_option.h"
#include "apps/pretrain/machine_arguments.h"
#include "apps/pretrain/output.h"
#include "apps/pretrain/plan_survey.h"
#include "apps/pretrain/shell_text.h"
#include "libs/base/error.h"
#include "libs/base/machine.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

struct PlanRequest {
  CorpusOptions corpus;
  std::chrono::milliseconds time{0};
  uint64_t memory = 0;
  int threads = 0;
  std::string precision = "auto";
  double speed = 0;
  int machines = 1;
  LineRate network;
  bool json = false;
};

constexpr CommandSyntax kSyntax{
    .name = "plan",
    .usage =
        "pretrain plan --corpus PATH... --time TIME [--memory SIZE] [--json]\n\n"
        "Shows what this machine can train on this text in this time: measures some\n"
        "steps, counts the text by a sample, and lists the runs that end in time, those\n"
        "with the lowest predicted bits per byte first, with the command of each.\n"
        "With --machines: what so many machines like this one can train together.\n"
        "'pretrain --corpus PATH --budget TIME' starts the first.",
    .examples =
        "Examples:\n"
        "  pretrain plan --corpus /wiki --time 8h\n"
        "  pretrain plan /wiki --time 20min --threads 2 --json\n"
        "  pretrain plan /wiki --time 8h --machines 3 --network 2.5G",
    .positional = "corpus"};

OptionTable<PlanRequest> options() {
  using Request = PlanRequest;
  const OptionTable<Request> corpus{{{"corpus", "files and folders with training text"},
                                     paths_of<Request>(at(&Request::corpus, &CorpusOptions::inputs))}};
  const OptionTable<Request> rest{
      {{"time", "time that the whole run may take, such as 20min, 8h or 2d"},
       duration_of<Request>(&Request::time)},
      {{"memory", "memory that the run may take", "", KeyKind::kChangeable, "what is available"},
       size_of<Request>(&Request::memory)},
      threads_option<Request>(&Request::threads),
      {{"precision", "number format of matrix products: f32, bf16 or auto"},
       word_of<Request>(&Request::precision, {"auto", "f32", "bf16"})},
      {{"speed", "GFLOP/s of training steps, instead of measuring them", "", KeyKind::kChangeable,
        "measured"},
       number_of<Request>(&Request::speed, 0, 1e9)},
      {{"machines", "machines like this one that share the run"},
       count_of<Request>(&Request::machines, 1, 64)},
      network_option<Request>(&Request::network),
      {{"json", "print JSON"}, switch_of<Request>(&Request::json)}};
  return corpus + corpus_options<Request>(&Request::corpus) + rest;
}

constexpr IdleOption<PlanRequest> kIdle[] = {
    {"network", [](const PlanRequest& request) { return request.machines == 1; }, "without --machines",
     "--machines N"}};

RunConfiguration configuration_of(const PlanRequest& request) {
  KeyValues given{{"precision", request.precision}};
  std::vector<std::string> inputs;
  for (const Path& path : request.corpus.inputs) inputs.push_back(path.string());
  given["corpus"] = joined_list(inputs);
  if (request.threads > 0) given["threads"] = std::to_string(request.threads);
  RunConfiguration config = to_configuration(resolve(given));
  config.corpus.documents = request.corpus.documents;
  config.corpus.text_key = request.corpus.text_key;
  config.corpus.pages = request.corpus.pages;
  return config;
}

/// The options of the corpus that differ from their defaults, as the user gave them.
std::vector<std::string> words_of_corpus(const PlanRequest& request) {
  std::vector<std::string> words;
  for (const Path& path : request.corpus.inputs) words.insert(words.end(), {"--corpus", path.string()});
  const PlanRequest defaults;
  for (const auto& option : corpus_options<PlanRequest>(&PlanRequest::corpus)) {
    const auto value = option.value.get(request);
    if (value == option.value.get(defaults)) continue;
    for (const std::string& text : value)
      words.insert(words.end(), {fmt::format("--{}", option.info.name), text});
  }
  return words;
}

/// The words that begin every command of the plan: what the user gave and the plan took as it is.
std::vector<std::string> common_words(const PlanRequest& request) {
  std::vector<std::string> words{"pretrain"};
  for (std::string& word : words_of_corpus(request)) words.push_back(std::move(word));
  if (request.threads > 0) words.insert(words.end(), {"--threads", std::to_string(request.threads)});
  if (request.precision != "auto") words.insert(words.end(), {"--precision", request.precision});
  if (request.machines > 1) {
    const std::string machines = std::to_string(request.machines);
    words.insert(words.end(), {"--slots", machines, "--machines", machines, "--listen", "ADDRESS",
                               "--secret-file", "FILE"});
  }
  return words;
}

/// The words of the command that makes the run, the options in the order of the help.
std::vector<std::string> command_of(const PlannedRun& run, const PlanRequest& request) {
  std::vector<std::string> words = common_words(request);
  const KeyValues values = options_of(run);
  for (const auto& option : run_options()) {
    const auto found = values.find(std::string(option.info.name));
    if (found != values.end())
      words.insert(words.end(), {fmt::format("--{}", option.info.name), found->second});
  }
  return words;
}

/// One or more lines of at most 100 columns that a shell takes as one command.
std::string shell_command(const std::vector<std::string>& words) {
  constexpr size_t kColumns = 98;
  std::string text, line;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string part = shell_word(words[i]);
    const bool has_value = i + 1 < words.size() && words[i].starts_with("--");
    if (has_value) part += fmt::format(" {}", shell_word(words[++i]));
    if (!line.empty() && line.size() + 1 + part.size() > kColumns) {
      text += fmt::format("{} \\\n", line);
      line = "   ";
    }
    line += fmt::format("{}{}", line.empty() ? "" : " ", part);
  }
  return text + line;
}

nlohmann::json json_of(const PlannedRun& run, const PlanRequest& request) {
  const ModelConfig& model = run.model;
  return {{"layers", model.layers},
          {"width", model.d_model},
          {"heads", model.heads},
          {"mlp_width", model.d_ff},
          {"vocabulary", model.vocabulary},
          {"context", model.context},
          {"batch", run.batch},
          {"learning_rate", run.learning_rate},
          {"parameters", run.parameters},
          {"memory_bytes", run.memory_bytes},
          {"steps", run.steps},
          {"tokens", run.tokens},
          {"epochs", run.epochs},
          {"seconds", run.seconds},
          {"tokens_per_second", run.tokens_per_second},
          {"efficiency", run.efficiency},
          {"bits_per_byte", run.predicted.bits_per_byte},
          {"uncertainty", run.predicted.uncertainty},
          {"writes", ability(run.predicted.bits_per_byte)},
          {"command", command_of(run, request)}};
}

nlohmann::json make_report(const PlanFacts& facts, const std::vector<PlannedRun>& runs,
                           const PlanRequest& request) {
  nlohmann::json speed = nlohmann::json::array();
  for (const MeasuredSpeed& s : facts.speed)
    speed.push_back({{"flops_per_token", s.flops_per_token}, {"flops_per_second", s.flops_per_second}});
  nlohmann::json rows = nlohmann::json::array();
  for (const PlannedRun& run : runs) rows.push_back(json_of(run, request));
  return {{"seconds", facts.seconds},
          {"processor", inspect_machine().processor},
          {"threads", facts.threads},
          {"precision", precision_name(facts.precision)},
          {"memory_bytes", facts.memory_bytes},
          {"text_bytes", facts.text_bytes},
          {"yield", facts.yield},
          {"vocabulary_seconds", facts.vocabulary_seconds},
          {"machines", facts.machines},
          {"network_bits_per_second", facts.network_bits_per_second},
          {"speed", speed},
          {"runs", rows}};
}

std::string millions(double count) {
  return fmt::format("{:.{}f} M", count / 1e6, count < 9.95e6 ? 1 : 0);
}

std::string duration_text(double seconds) {
  constexpr double kMost = 9e9;
  return format_duration(std::chrono::seconds(static_cast<int64_t>(std::min(seconds, kMost))));
}

void print_table(const std::vector<PlannedRun>& runs) {
  print_line("{:>10} {:>9} {:>10} {:>9} {:>7} {:>8} {:>13}  {:15} {}", "parameters", "layers x C",
             "vocabulary", "tokens", "epochs", "memory", "takes", "bits per byte", "writes");
  for (const PlannedRun& run : runs) {
    print_line("{:>10} {:>10} {:>10} {:>9} {:>7.2f} {:>8} {:>13}  {:15} {}",
               millions(static_cast<double>(run.parameters)),
               fmt::format("{} x {}", run.model.layers, run.model.d_model),
               format_count(static_cast<uint64_t>(run.model.vocabulary)), millions(run.tokens), run.epochs,
               format_bytes(run.memory_bytes), duration_text(run.seconds),
               fmt::format("{:.2f} +- {:.2f}", run.predicted.bits_per_byte, run.predicted.uncertainty),
               ability(run.predicted.bits_per_byte));
  }
}

void explain_machines(const PlannedRun& first, const PlanRequest& request) {
  const double times = first.efficiency * request.machines;
  print_text(
      "{} machines like this one, {}bit/s between them: in the first run {:.1f} times as fast as one{}.\n",
      request.machines, write_line_rate(request.network), times,
      times < 1 ? ", so one alone is better on this network" : "");
  print_text(
      "ADDRESS is that of this machine in their network. FILE has their secret: pretrain join --new-secret FILE\n"
      "makes it, and each has a copy. The others take part with: pretrain join ADDRESS --secret-file FILE\n");
}

void print_plan(const PlanFacts& facts, const std::vector<PlannedRun>& runs, const PlanRequest& request) {
  print_table(runs);
  print_text("\n{}, {}, {}: {:.0f} GFLOP/s in steps; about {} of text.\n", inspect_machine().processor,
             format_counted(static_cast<uint64_t>(facts.threads), "thread"), precision_name(facts.precision),
             facts.speed.back().flops_per_second / 1e9, format_bytes(round_estimate(facts.text_bytes)));
  print_text(
      "The prediction is for English Wikipedia; other text has other bits per byte, in much the same order.\n"
      "+-: two standard deviations.\n");
  if (request.machines > 1) explain_machines(runs.front(), request);
  print_text("\nTo start the first, with its steps fixed by the speed it really has:\n\n");
  std::vector<std::string> budget = common_words(request);
  budget.insert(budget.end(), {"--budget", exact_duration(request.time)});
  print_text("{}\n\nTo start one of them as it is:\n", shell_command(budget));
  for (const PlannedRun& run : runs)
    print_text("\n# {} parameters\n{}\n", millions(static_cast<double>(run.parameters)),
               shell_command(command_of(run, request)));
}

}  // namespace

int plan_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  report_idle_options(*request, options(), kIdle);
  if (request->corpus.inputs.empty()) fail_missing("corpus", kSyntax);
  const bool has_time =
      std::ranges::any_of(arguments, [](std::string_view word) { return word.starts_with("--time"); });
  if (!has_time) fail_missing("time", kSyntax);
  check_budget("time", request->time);
  std::vector<MeasuredSpeed> speed;
  if (request->speed > 0) speed.push_back({.flops_per_token = 1, .flops_per_second = request->speed * 1e9});
  PlanFacts facts = survey(configuration_of(*request), std::move(speed), stop);
  facts.seconds = std::chrono::duration<double>(request->time).count();
  if (request->memory > 0) facts.memory_bytes = request->memory;
  facts.machines = request->machines;
  facts.network_bits_per_second = request->network.bits_per_second;
  std::vector<PlannedRun> runs = plan_runs(facts);
  constexpr size_t kShown = 5;
  if (runs.size() > kShown) runs.erase(runs.begin() + kShown, runs.end());
  if (request->json) {
    fmt::print("{}\n", make_report(facts, runs, *request).dump(2));
  } else {
    print_plan(facts, runs, *request);
  }
  return 0;
}

}  // namespace pretrain
