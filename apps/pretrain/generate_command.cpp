#include <fmt/format.h>

#include "apps/pretrain/command_line.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/model_folder.h"
#include "libs/base/error.h"
#include "libs/base/machine.h"
#include "libs/base/standard_streams.h"
#include "libs/model/generation.h"
#include "pipeline/corpus/utf8.h"
#include "tokenizer/stream_decoder.h"

namespace pretrain {
namespace {

namespace po = boost::program_options;

/// Streams text to standard output, token by token.
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
  fmt::print("{}", prompt);
  for (uint64_t i = 0; i < tokens && !stop.stop_requested(); ++i) {
    const uint32_t token = sample_token(logits, sampling, rng);
    if (token == model.tokenizer->end_of_text()) break;
    fmt::print("{}", decoder.push(token));
    flush_output();
    logits = generator.feed(token);
  }
  fmt::print("{}\n", decoder.flush());
}

}  // namespace

int generate_command(const Arguments& arguments, StopSignal& stop) {
  std::string checkpoint;
  std::string prompt;
  uint64_t tokens = 200;
  SamplingOptions sampling{.temperature = 0.8};
  int threads = 0;
  po::options_description options;
  options.add_options()("checkpoint", po::value(&checkpoint)->required(),
                        "checkpoint, run's state folder, or model folder")(
      "prompt", po::value(&prompt), "text to go on with")("tokens", po::value(&tokens)->default_value(tokens),
                                                          "most tokens to write")(
      "temperature", po::value(&sampling.temperature)->default_value(0.8, "0.8"),
      "0: always the most likely token")("top-k", po::value(&sampling.top_k)->default_value(0),
                                         "choose among this many most likely tokens; 0: all")(
      "top-p", po::value(&sampling.top_p)->default_value(1.0, "1"),
      "choose among the most likely tokens of this share")(
      "seed", po::value(&sampling.seed)->default_value(0), "another seed, another text")(
      "threads", po::value(&threads)->default_value(0), "0: all cores");
  const std::string usage =
      "pretrain generate --checkpoint DIR [--prompt TEXT] [--tokens N] ...\n"
      "Writes text with a model, from a prompt or from the start of a document.";
  if (!parse_command_line(arguments, options, usage)) return 0;
  if (!(sampling.temperature >= 0) || !(sampling.top_p > 0 && sampling.top_p <= 1) || threads < 0) {
    fail(ErrorKind::kUsage,
         "--temperature must not be negative, --top-p lies in (0, 1], --threads is at least 0");
  }
  ModelFolder model = open_model(checkpoint);
  write_text(model, prompt, tokens, sampling, threads > 0 ? threads : inspect_machine().cores, stop.token());
  return 0;
}

}  // namespace pretrain
