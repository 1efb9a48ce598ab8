// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/corpus_arguments.h"
#include "apps/pretrain/idle_reading.h"
#include "apps/pretrain/model_folder.h"
#include "apps/pretrain/output.h"
#include "apps/pretrain/output_file.h"
#include "apps/pretrain/report.h"
#include "apps/pretrain/token_ids.h"
#include "apps/pretrain/value_text.h"
#include "libs/base/error.h"
#include "libs/base/file.h"
#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/standard_streams.h"
#include "libs/base/units.h"
#include "pipeline/corpus/sample.h"
#include "pipeline/corpus/scan.h"
#include "pipeline/corpus/utf8.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace pretrain {
namespace {

struct TrainRequest {
  CorpusOptions corpus{.validation_fraction = 0};
  Path output;
  VocabularyOptions vocabulary;
  uint64_t sample_bytes = 10_MiB;
  uint64_t seed = 1;
};

constexpr CommandSyntax kSyntax{
    .name = "tokenizer",
    .usage =
        "pretrain tokenizer train --corpus PATH... --output FILE\n"
        "pretrain tokenizer encode --model FILE [--text TEXT]\n"
        "pretrain tokenizer decode --model FILE [--ids IDS]\n\n"
        "Trains vocabularies and applies them: encode turns text into ids, decode ids\n"
        "into text. FILE is a SentencePiece model, a byte-level tokenizer.json, a GGUF\n"
        "file, a checkpoint or a run's state folder. Without --text or --ids, standard\n"
        "input is read line by line. Each has its own --help.",
    .verbs = "train encode decode"};

constexpr CommandSyntax kTrainSyntax{.name = "tokenizer train",
                                     .usage =
                                         "pretrain tokenizer train --corpus PATH... --output FILE\n\n"
                                         "Trains a SentencePiece vocabulary.",
                                     .positional = "corpus"};

OptionTable<TrainRequest> train_options() {
  using Request = TrainRequest;
  return OptionTable<Request>{
             {{"corpus", "files and folders with training text"},
              paths_of<Request>(at(&Request::corpus, &CorpusOptions::inputs))},
             {{"output", "file to write, such as my.model, or - for standard output"},
              output_path_of<Request>(&Request::output)},
             {{.name = "tokenizer-type",
               .help = "kind of vocabulary: bpe, unigram or char",
               .deprecated = "type"},
              choice_of<Request>(at(&Request::vocabulary, &VocabularyOptions::type), kTokenizerTypes)},
             {{"vocab", "maximum size of the vocabulary"},
              count_of<Request>(at(&Request::vocabulary, &VocabularyOptions::pieces), 300, 1'000'000)},
             {{"sample", "amount of text to train on, sampled from the whole corpus"},
              size_of<Request>(&Request::sample_bytes)},
             {{"seed", "random seed of the sample"}, count_of<Request>(&Request::seed)}} +
         corpus_options<Request>(&Request::corpus);
}

/// Before minutes of work that would be lost: a file that is not there can be made.
/// Errors: IoError.
void require_creatable(const Path& output) {
  write_file_atomically(real_file_system(), output, "");
  real_file_system().remove_file(output);
}

int train(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, train_options(), kTrainSyntax);
  if (!request) return 0;
  if (request->corpus.inputs.empty()) fail_missing("corpus", kTrainSyntax);
  if (request->output.empty()) fail_missing("output", kTrainSyntax);
  const std::string output = request->output.string();
  const bool to_output = is_standard_output(output);
  if (to_output && output_is_terminal())
    fail(ErrorKind::kUsage, "--output - would write a binary file to a terminal; redirect it or name a file");
  const uint64_t seed = request->seed;
  if (file_exists(output))
    fail(ErrorKind::kUsage, "{} already exists; remove it or use another --output", output);
  check_output_file({.option = "--output",
                     .path = request->output,
                     .beginning = "",
                     .example = "my.model",
                     .may_be_standard_output = true});
  if (!to_output) require_creatable(request->output);
  CorpusOptions corpus_options = request->corpus;
  corpus_options.seed = seed;
  const Catalog catalog = scan_corpus(corpus_options, nullptr, {.stop = stop.token()});
  report_corpus(catalog);
  report_idle_reading(corpus_options, catalog);
  const auto sample =
      sample_text(corpus_options, catalog, request->sample_bytes, seed, stop.token()).documents;
  const auto progress = [log = ProgressLog()](const std::string& line) mutable { log.tell(line); };
  const Tokenizer tokenizer =
      Tokenizer::from_serialized(train_vocabulary(sample, request->vocabulary, progress, stop.token()));
  if (to_output) {
    fmt::print("{}", tokenizer.serialized());
  } else {
    write_file_atomically(real_file_system(), output, tokenizer.serialized());
  }
  log_info("{}: {}, {}", output, format_counted(tokenizer.vocabulary_size(), "piece"), tokenizer.kind());
  return 0;
}

/// The request of encode and decode.
struct CodingRequest {
  Path model;
  std::optional<std::string> text;
};

constexpr CommandSyntax kEncodeSyntax{.name = "tokenizer encode",
                                      .usage =
                                          "pretrain tokenizer encode --model FILE [--text TEXT]\n\nPrints "
                                          "the token ids, one line for each line of text."};
constexpr CommandSyntax kDecodeSyntax{.name = "tokenizer decode",
                                      .usage =
                                          "pretrain tokenizer decode --model FILE [--ids IDS]\n\nPrints the "
                                          "text, one line for each line of token ids."};

OptionTable<CodingRequest> coding_options(std::string_view text, std::string_view help) {
  using Request = CodingRequest;
  return {{{"model", "SentencePiece model, tokenizer.json, a GGUF file, a checkpoint or a run"},
           path_of<Request>(&Request::model)},
          {{text, help, "", KeyKind::kChangeable, "the lines of standard input"},
           optional_text_of<Request>(&Request::text)}};
}

/// Bounds memory, because a line and its result are held in memory.
constexpr size_t kLongestLine = 16_MiB;

/// Calls f with the text from the command line, which may be empty, or, without one, with each line of
/// standard input.
template <typename F>
void for_each_line(const std::optional<std::string>& text, const StopSignal& stop, const F& f) {
  if (text) return f(*text);
  InputLines lines(stop.token(), kLongestLine);
  for (std::string line; lines.next(line);) f(line);
}

int encode(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, coding_options("text", "text to encode"), kEncodeSyntax);
  if (!request) return 0;
  if (request->model.empty()) fail_missing("model", kEncodeSyntax);
  const Tokenizer tokenizer = open_tokenizer(request->model);
  for_each_line(request->text, stop, [&](std::string line) {
    std::vector<uint32_t> ids;
    repair_utf8(line);
    tokenizer.encode(line, ids);
    fmt::print("{}\n", fmt::join(ids, " "));
  });
  return 0;
}

int decode(const Arguments& arguments, StopSignal& stop) {
  const auto request =
      parse_command(arguments, coding_options("ids", "ids separated by blanks"), kDecodeSyntax);
  if (!request) return 0;
  if (request->model.empty()) fail_missing("model", kDecodeSyntax);
  const Tokenizer tokenizer = open_tokenizer(request->model);
  for_each_line(request->text, stop, [&](const std::string& line) {
    print_made_text(tokenizer.decode(parse_token_ids(line, tokenizer.vocabulary_size())) + "\n");
  });
  return 0;
}

}  // namespace

int tokenizer_command(const Arguments& arguments, StopSignal& stop) {
  const std::string verb = arguments.empty() ? "--help" : arguments.front();
  const Arguments rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  if (verb == "train") return train(rest, stop);
  if (verb == "encode") return encode(rest, stop);
  if (verb == "decode") return decode(rest, stop);
  if (verb == "--help" || verb == "-h" || verb == "help") {
    print_help(kSyntax, {});
    return 0;
  }
  constexpr std::array<std::string_view, 3> kVerbs{"train", "encode", "decode"};
  fail(ErrorKind::kUsage, "pretrain tokenizer must be followed by train, encode or decode (got '{}'){}", verb,
       did_you_mean("", verb, kVerbs));
}

}  // namespace pretrain
