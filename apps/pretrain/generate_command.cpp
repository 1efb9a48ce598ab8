// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/corpus_arguments.h"
#include "apps/pretrain/default_model.h"
#include "apps/pretrain/generate_request.h"
#include "apps/pretrain/idle_option.h"
#include "apps/pretrain/interactive.h"
#include "apps/pretrain/output.h"
#include "libs/base/log.h"
#include "libs/base/machine.h"
#include "libs/base/quantity.h"
#include "libs/base/standard_streams.h"
#include "libs/model/longest_context.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

using Request = GenerateRequest;

constexpr CommandSyntax kSyntax{
    .name = "generate",
    .usage =
        "pretrain generate [--checkpoint DIR] [--prompt TEXT] [--tokens N] ...\n\n"
        "Generates text from a prompt, or from the start of a document.",
    .examples =
        "Examples:\n"
        "  pretrain generate --interactive\n"
        "  pretrain generate --checkpoint ~/.local/state/pretrain --prompt 'The history'\n"
        "  pretrain generate DIR --prompt 'ROMEO:' --samples 4 --min-p 0.05 --stop ROMEO:\n"
        "  head -c 500 story.txt | pretrain generate DIR --prompt -",
    .positional = "checkpoint"};

constexpr std::string_view kTextGroup = "Text";
constexpr uint64_t kMostSamples = 256;
constexpr size_t kLongestPromptBytes = size_t{64} << 20;

/// Texts to stop at; each must have at least a byte.
OptionValue<Request> stop_texts() {
  const auto stops = at(&Request::text, &GenerationOptions::stops);
  return {{.placeholder = "TEXT", .is_list = true, .is_literal = true},
          [stops](Request& request, std::span<const std::string> texts) {
            stops(request).assign(texts.begin(), texts.end());
          },
          [stops](const Request& request) { return stops(request); }};
}

std::vector<std::pair<std::string_view, Precision>> precisions() {
  return {{precision_name(Precision::kFloat32), Precision::kFloat32},
          {precision_name(Precision::kBf16), Precision::kBf16}};
}

OptionTable<Request> options() {
  const auto context = at(&Request::shape, &TextGenerator::Shape::context);
  OptionTable<Request> table{
      {{"checkpoint", "checkpoint, a run's state folder, a model folder, or a GGUF file", "",
        KeyKind::kChangeable, "the newest checkpoint in the default state folder"},
       path_of<Request>(&Request::checkpoint)},
      {{"prompt", "prompt to continue, or - for standard input; without one, a new document"},
       optional_text_of<Request>(&Request::prompt)},
      {{"prompt-file", "file with the prompt"}, path_of<Request>(&Request::prompt_file)},
      {{"interactive", "type prompts one after the other, with editing keys; see /help there", "",
        KeyKind::kChangeable, "", "chat repl"},
       switch_of<Request>(&Request::interactive)},
      {{"samples", "number of texts, which are generated together; sample I has seed + I - 1"},
       count_of<Request>(at(&Request::shape, &TextGenerator::Shape::samples), 1, kMostSamples)},
      {{"json", "print one JSON object for each sample"}, switch_of<Request>(&Request::json)},
      {{"context",
        "tokens that the model reads at once; more than it was trained with only where "
        "positions are rotary",
        "", KeyKind::kChangeable, "the model's"},
       optional_count_of<Request>(context, kLongestContext)},
      {{"precision",
        "of products: f32, or bf16, which takes half the memory and is faster where the "
        "processor multiplies it"},
       choice_of<Request>(at(&Request::shape, &TextGenerator::Shape::precision), precisions())},
      threads_option<Request>(&Request::threads)};
  return std::move(table) + text_options();
}

/// An interactive session may change its temperature.
bool takes_the_likeliest(const Request& request) {
  return request.text.sampling.temperature == 0 && !request.interactive;
}

constexpr std::string_view kLikeliest = "with --temperature 0, which takes the most likely token";
constexpr IdleOption<Request> kIdle[] = {{"top-k", takes_the_likeliest, kLikeliest},
                                         {"top-p", takes_the_likeliest, kLikeliest},
                                         {"min-p", takes_the_likeliest, kLikeliest},
                                         {"seed", takes_the_likeliest, kLikeliest}};

/// The text without the newline at its end, which editors and echo add.
std::string without_last_newline(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  return text.substr(utf8_mark_length(text));
}

std::string standard_input(const std::stop_token& stop) {
  InputLines lines(stop, kLongestPromptBytes);
  std::string text;
  bool is_first = true;
  for (std::string line; lines.next(line); is_first = false) {
    if (!is_first) text += '\n';
    text += line;
    if (text.size() > kLongestPromptBytes)
      fail(ErrorKind::kUsage, "the prompt has more than {} bytes; shorten it", kLongestPromptBytes);
  }
  if (text.empty()) log_info("standard input is empty: begins a new document");
  return without_last_newline(text + '\n');
}

std::string file_text(const Path& path) {
  try {
    return without_last_newline(read_file(path, kLongestPromptBytes));
  } catch (const IoError& error) {
    fail(ErrorKind::kUsage, "--prompt-file: {}; check the path and its permissions", error.what());
  }
}

std::string prompt_of(const Request& request, const std::stop_token& stop) {
  std::string prompt = request.prompt.value_or("");
  if (!request.prompt_file.empty()) prompt = file_text(request.prompt_file);
  if (request.prompt == "-") prompt = standard_input(stop);
  if (const size_t replaced = repair_utf8(prompt); replaced > 0)
    log_warning("the prompt is not UTF-8 in {}; each became U+FFFD", format_counted(replaced, "place"));
  return prompt;
}

void check(const Request& request) {
  if (request.prompt && !request.prompt_file.empty())
    fail(ErrorKind::kUsage, "--prompt and --prompt-file can't be given together; use one");
  const bool has_prompt = request.prompt || !request.prompt_file.empty();
  if (request.interactive && (has_prompt || request.json))
    fail(ErrorKind::kUsage, "--interactive reads its prompts from lines; leave out {}",
         request.json ? "--json" : "--prompt");
}

void warn(const Request& request, const ModelFolder& model) {
  if (request.shape.context > model.config.context && model.config.rope_theta != 0) {
    log_warning(
        "--context {} is beyond the {} positions that the model was trained with; expect worse text there",
        request.shape.context, model.config.context);
  }
  if (request.shape.samples > 1 && request.text.sampling.temperature == 0)
    log_warning("with --temperature 0 all {} samples are the same", request.shape.samples);
}

void print_json(const Request& request, const ModelFolder& model, const std::string& prompt,
                const std::vector<GeneratedText>& texts) {
  for (size_t s = 0; s < texts.size(); ++s) {
    const nlohmann::json object{{"sample", s + 1},
                                {"seed", request.text.sampling.seed + s},
                                {"prompt", prompt},
                                {"text", texts[s].text},
                                {"tokens", texts[s].tokens},
                                {"end", words_of(texts[s].end)},
                                {"model", model.place.folder.string()}};
    fmt::print("{}\n", object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
}

/// The first sample is shown while it is generated, the others after it.
void generate(const Request& request, const ModelFolder& model, const std::string& prompt, int threads,
              const std::stop_token& stop) {
  Compute compute(threads);
  TextGenerator generator(compute, model, request.shape);
  generator.start(prompt);
  const bool several = request.shape.samples > 1;
  const auto head = [&](size_t s) {
    if (several) fmt::print("--- sample {}, seed {}\n", s + 1, request.text.sampling.seed + s);
  };
  const auto show = [&](uint64_t sample, const std::string& piece) {
    if (sample != 0 || request.json) return;
    print_made_text(piece);
    flush_output();
  };
  if (!request.json) {
    head(0);
    print_made_text(prompt);
    flush_output();
  }
  const std::vector<GeneratedText> texts = generator.write(request.text, {.on_text = show, .stop = stop});
  if (request.json) return print_json(request, model, prompt, texts);
  fmt::print("\n");
  for (size_t s = 1; s < texts.size(); ++s) {
    head(s);
    print_made_text(fmt::format("{}{}\n", prompt, texts[s].text));
  }
}

}  // namespace

OptionTable<GenerateRequest> text_options() {
  const auto sampling = [](auto member) { return at(&Request::text, &GenerationOptions::sampling, member); };
  constexpr double kLeastShare = 1e-6;
  return {{{"tokens", "maximum number of tokens", kTextGroup},
           count_of<Request>(at(&Request::text, &GenerationOptions::tokens))},
          {{"temperature", "sampling temperature; 0: always take the most likely token", kTextGroup},
           number_of<Request>(sampling(&SamplingOptions::temperature), 0, 1000)},
          {{"top-k", "sample from the K most likely tokens; 0: all", kTextGroup},
           count_of<Request>(sampling(&SamplingOptions::top_k), 0, 10'000'000)},
          {{"top-p", "sample from the most likely tokens that make up this probability", kTextGroup},
           number_of<Request>(sampling(&SamplingOptions::top_p), kLeastShare, 1)},
          {{"min-p", "sample from tokens with at least this share of the most likely one's probability",
            kTextGroup},
           number_of<Request>(sampling(&SamplingOptions::min_p), 0, 1)},
          {{"repetition-penalty",
            "divides the logits of tokens that are already there; 1: none, 1.1 is a start", kTextGroup},
           number_of<Request>(sampling(&SamplingOptions::repetition_penalty), 0.01, 100)},
          {{"stop", "end before this text; may be given several times", kTextGroup}, stop_texts()},
          {{"seed", "random seed", kTextGroup}, count_of<Request>(sampling(&SamplingOptions::seed))}};
}

int generate_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  report_idle_options(*request, options(), kIdle);
  check(*request);
  const Path checkpoint = checkpoint_or_newest(request->checkpoint);
  const int threads = request->threads > 0 ? request->threads : inspect_machine().cores;
  if (request->interactive) {
    run_interactive(*request, checkpoint, threads, stop.token());
    return 0;
  }
  const std::string prompt = prompt_of(*request, stop.token());
  const ModelFolder model = open_model(checkpoint);
  warn(*request, model);
  generate(*request, model, prompt, threads, stop.token());
  return 0;
}

}  // namespace pretrain
