#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>

#include <fmt/format.h>

#include "apps/pretrain/command_line.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/corpus_arguments.h"
#include "apps/pretrain/model_folder.h"
#include "apps/pretrain/report.h"
#include "libs/base/error.h"
#include "libs/base/file.h"
#include "libs/base/log.h"
#include "libs/base/standard_streams.h"
#include "libs/base/units.h"
#include "pipeline/corpus/sample.h"
#include "pipeline/corpus/utf8.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace pretrain {
namespace {

namespace po = boost::program_options;

TokenizerType parse_type(const std::string& name) {
  for (const TokenizerType type : {TokenizerType::kBpe, TokenizerType::kUnigram, TokenizerType::kChar}) {
    if (tokenizer_type_name(type) == name) return type;
  }
  fail(ErrorKind::kUsage, "--type {}: bpe, unigram or char is needed", name);
}

int train(const Arguments& arguments, StopSignal& stop) {
  std::vector<std::string> corpus;
  std::string output;
  std::string type = "bpe";
  CorpusArguments reading;
  VocabularyOptions vocabulary;
  std::string sample_bytes = "10M";
  uint64_t seed = 1;
  po::options_description options;
  options.add_options()("corpus", po::value(&corpus)->multitoken()->required(),
                        "files and folders to learn from")("output", po::value(&output)->required(),
                                                           "file to write, for example my.model")(
      "type", po::value(&type)->default_value(type), "bpe, unigram or char")(
      "vocab", po::value(&vocabulary.pieces)->default_value(vocabulary.pieces), "pieces, at most")(
      "sample", po::value(&sample_bytes)->default_value(sample_bytes),
      "text to learn from, drawn from all of it")("seed", po::value(&seed)->default_value(seed),
                                                  "of the sample");
  reading.add_to(options);
  const std::string usage =
      "pretrain tokenizer train --corpus PATH... --output FILE\nTrains a SentencePiece vocabulary.";
  if (!parse_command_line(arguments, options, usage)) return 0;
  vocabulary.type = parse_type(type);
  if (file_exists(output)) fail(ErrorKind::kUsage, "{} exists; remove it or name another --output", output);
  CorpusOptions corpus_options = reading.options(corpus);
  corpus_options.seed = seed;
  const Catalog catalog = scan_corpus(corpus_options, nullptr, {.stop = stop.token()});
  report_corpus(catalog);
  const auto sample =
      sample_text(corpus_options, catalog, parse_bytes(sample_bytes), seed, stop.token()).documents;
  const auto progress = [log = ProgressLog()](const std::string& line) mutable { log.tell(line); };
  const Tokenizer tokenizer =
      Tokenizer::from_serialized(train_vocabulary(sample, vocabulary, progress, stop.token()));
  write_file_atomically(real_file_system(), output, tokenizer.serialized());
  log_info("{}: {} pieces, {}", output, format_count(tokenizer.vocabulary_size()), type);
  return 0;
}

/// A line and what becomes of it are held in memory.
constexpr size_t kLongestLine = 16_MiB;

/// Calls f with the text given on the command line, which may be empty, or else with each line of standard
/// input.
template <typename F>
void for_each_line(const std::optional<std::string>& text, const StopSignal& stop, const F& f) {
  if (text) return f(*text);
  InputLines lines(stop.token(), kLongestLine);
  for (std::string line; lines.next(line);) f(line);
}

int encode(const Arguments& arguments, StopSignal& stop) {
  std::string model;
  std::optional<std::string> text;
  po::options_description options;
  options.add_options()("model", po::value(&model)->required(),
                        "SentencePiece model, or a checkpoint folder")(
      "text", po::value<std::string>()->notifier([&](const std::string& given) { text = given; }),
      "text to encode [the lines of standard input]");
  const std::string usage =
      "pretrain tokenizer encode --model FILE [--text TEXT]\nPrints ids, one line for each line.";
  if (!parse_command_line(arguments, options, usage)) return 0;
  const Tokenizer tokenizer = open_tokenizer(model);
  for_each_line(text, stop, [&](std::string line) {
    std::vector<uint32_t> ids;
    repair_utf8(line);
    tokenizer.encode(line, ids);
    fmt::print("{}\n", fmt::join(ids, " "));
  });
  return 0;
}

std::vector<uint32_t> parse_ids(const std::string& line, uint32_t vocabulary) {
  std::vector<uint32_t> ids;
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    uint32_t id = 0;
    const auto result = std::from_chars(word.data(), word.data() + word.size(), id);
    if (result.ec != std::errc() || result.ptr != word.data() + word.size() || id >= vocabulary) {
      fail(ErrorKind::kUsage, "'{}' is not an id below {}", word, vocabulary);
    }
    ids.push_back(id);
  }
  return ids;
}

int decode(const Arguments& arguments, StopSignal& stop) {
  std::string model;
  std::optional<std::string> ids;
  po::options_description options;
  options.add_options()("model", po::value(&model)->required(),
                        "SentencePiece model, or a checkpoint folder")(
      "ids", po::value<std::string>()->notifier([&](const std::string& given) { ids = given; }),
      "ids separated by blanks [the lines of standard input]");
  const std::string usage =
      "pretrain tokenizer decode --model FILE [--ids IDS]\nPrints text, one line for each line of ids.";
  if (!parse_command_line(arguments, options, usage)) return 0;
  const Tokenizer tokenizer = open_tokenizer(model);
  for_each_line(ids, stop, [&](const std::string& line) {
    fmt::print("{}\n", tokenizer.decode(parse_ids(line, tokenizer.vocabulary_size())));
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
  if (verb == "--help" || verb == "-h") {
    fmt::print("pretrain tokenizer train|encode|decode ...; each has its own --help\n");
    return 0;
  }
  fail(ErrorKind::kUsage, "pretrain tokenizer {}: train, encode or decode is needed", verb);
}

}  // namespace pretrain
