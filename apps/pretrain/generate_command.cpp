// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/arguments.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/corpus_arguments.h"
#include "apps/pretrain/model_folder.h"
#include "apps/pretrain/output.h"
#include "libs/base/error.h"
#include "libs/base/machine.h"
#include "libs/base/standard_streams.h"
#include "libs/model/generation.h"
#include "pipeline/corpus/utf8.h"
#include "tokenizer/stream_decoder.h"

namespace pretrain {
namespace {

struct GenerateRequest {
  Path checkpoint;
  std::string prompt;
  uint64_t tokens = 200;
  SamplingOptions sampling{.temperature = 0.8};
  int threads = 0;
};

constexpr CommandSyntax kSyntax{
    .name = "generate",
    .usage =
        "pretrain generate --checkpoint DIR [--prompt TEXT] [--tokens N] ...\n\n"
        "Generates text from a prompt, or from the start of a document.",
    .examples =
        "Examples:\n"
        "  pretrain generate --checkpoint ~/.local/state/pretrain --prompt 'The history'\n"
        "  pretrain generate DIR --prompt 'ROMEO:' --temperature 0.7 --top-k 40",
    .positional = "checkpoint"};

OptionTable<GenerateRequest> options() {
  using Request = GenerateRequest;
  constexpr double kLeastShare = 1e-6;
  return {{{"checkpoint", "checkpoint, a run's state folder, or a model folder"},
           path_of<Request>(&Request::checkpoint)},
          {{"prompt", "prompt to continue; without one, a new document"}, text_of<Request>(&Request::prompt)},
          {{"tokens", "maximum number of tokens"}, count_of<Request>(&Request::tokens)},
          {{"temperature", "sampling temperature; 0: always take the most likely token"},
           number_of<Request>(at(&Request::sampling, &SamplingOptions::temperature), 0, 1000)},
          {{"top-k", "sample from the K most likely tokens; 0: all"},
           count_of<Request>(at(&Request::sampling, &SamplingOptions::top_k), 0, 10'000'000)},
          {{"top-p", "sample from the most likely tokens that make up this probability"},
           number_of<Request>(at(&Request::sampling, &SamplingOptions::top_p), kLeastShare, 1)},
          {{"seed", "random seed"}, count_of<Request>(at(&Request::sampling, &SamplingOptions::seed))},
          threads_option<Request>(&Request::threads)};
}

/// Writes text to standard output as it is generated.
void write_text(ModelFolder& model, std::string prompt, uint64_t tokens, const SamplingOptions& sampling,
                int threads, const std::stop_token& stop) {
  Compute compute(threads);
  Generator generator(compute, model.config, *model.layout, model.parameters.data());
  StreamDecoder decoder(*model.tokenizer);
  Rng rng(sampling.seed);
  std::vector<uint32_t> ids;
  repair_utf8(prompt);
  model.tokenizer->encode(prompt, ids);
  std::span<const float> logits = generator.feed(model.tokenizer->end_of_text());  // a document begins
  for (const uint32_t id : ids) logits = generator.feed(id);
  print_made_text(prompt);
  for (uint64_t i = 0; i < tokens && !stop.stop_requested(); ++i) {
    const uint32_t token = sample_token(logits, sampling, rng);
    if (token == model.tokenizer->end_of_text()) break;
    print_made_text(decoder.push(token));
    flush_output();
    logits = generator.feed(token);
  }
  print_made_text(decoder.flush() + "\n");
}

}  // namespace

int generate_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  const Path checkpoint = checkpoint_or_environment(request->checkpoint, kSyntax);
  ModelFolder model = open_model(checkpoint);
  const int threads = request->threads > 0 ? request->threads : inspect_machine().cores;
  write_text(model, request->prompt, request->tokens, request->sampling, threads, stop.token());
  return 0;
}

}  // namespace pretrain
