#include "apps/pretrain/options.h"

#include <algorithm>
#include <array>
#include <sstream>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "libs/base/error.h"
#include "libs/base/file.h"

namespace pretrain {
namespace {

namespace po = boost::program_options;

constexpr KeyKind kFixed = KeyKind::kFixed;
constexpr KeyKind kChangeable = KeyKind::kChangeable;

constexpr std::array kKeys{
    Key{"corpus", kChangeable, "", "files and folders to train on; may be given several times"},
    Key{"documents", kFixed, "files", "what a document is in plain text: files or paragraphs"},
    Key{"namespaces", kFixed, "0", "namespaces of MediaWiki dumps to read, such as 0 or 0,14"},
    Key{"disambiguation", kFixed, "drop", "disambiguation pages of MediaWiki dumps: keep or drop"},
    Key{"on-changed", kChangeable, "fail", "when a shard changes while it is read: fail or skip"},
    Key{"state", kChangeable, "",
        "folder of the run [$STATE_DIRECTORY, $XDG_STATE_HOME/pretrain, ~/.local/state/pretrain]"},
    Key{"workers", kChangeable, "", "loader threads [up to 4, by cores]"},
    Key{"threads", kChangeable, "", "training threads [cores]"},
    Key{"model", kFixed, "base",
        "preset: base large xl-vocab quality prototype shakespeare small v2 tiny fast"},
    Key{"arch", kFixed, "gpt2", "architecture: gpt2"},
    Key{"layers", kFixed, "", "layers [preset]"},
    Key{"d-model", kFixed, "", "width of the residual stream [preset]"},
    Key{"heads", kFixed, "", "attention heads [preset]"},
    Key{"d-ff", kFixed, "", "width of the MLP [preset]"},
    Key{"context", kFixed, "", "tokens of a sequence [preset]"},
    Key{"batch", kFixed, "", "sequences of a batch [preset]"},
    Key{"accumulate", kFixed, "1", "batches of one optimizer step"},
    Key{"micro-batch-tokens", kFixed, "2048", "largest part of a batch that is worked through at once"},
    Key{"recompute", kChangeable, "cheap",
        "what the backward pass computes again to save memory: none, cheap (norms, activations) or layers"},
    Key{"precision", kFixed, "auto",
        "operands of matrix products: f32, bf16, or auto (bf16 where the processor multiplies it, else f32)"},
    Key{"vocab", kFixed, "", "pieces of the vocabulary, at most [preset]"},
    Key{"tokenizer-type", kFixed, "", "bpe, unigram or char [bpe; char for character presets]"},
    Key{"tokenizer", kFixed, "", "SentencePiece model to use instead of training one"},
    Key{"packing", kFixed, "concat", "concat (nothing wasted) or chunk (each document alone)"},
    Key{"shuffle-buffer", kFixed, "50000", "sequences that are mixed"},
    Key{"queue", kChangeable, "32", "batches made ahead"},
    Key{"seed", kFixed, "1", "seed of everything random"},
    Key{"validation-fraction", kFixed, "", "share of documents held out [preset]"},
    Key{"validation-corpus", kFixed, "", "evaluate on this corpus instead"},
    Key{"validation-tokens", kFixed, "32768", "size of the evaluation set"},
    Key{"learning-rate", kFixed, "", "peak learning rate [preset]"},
    Key{"warmup", kFixed, "100", "steps of linear warmup"},
    Key{"schedule", kFixed, "constant", "constant or cosine (needs steps, tokens or epochs)"},
    Key{"schedule-steps", kFixed, "", "step at which cosine ends [from the limit of the first start]"},
    Key{"weight-decay", kFixed, "0.1", "decoupled weight decay on matrices"},
    Key{"beta1", kFixed, "0.9", "AdamW: memory of the first moment"},
    Key{"beta2", kFixed, "0.99", "AdamW: memory of the second moment"},
    Key{"grad-clip", kFixed, "1.0", "largest global gradient norm; 0: no clipping"},
    Key{"steps", kChangeable, "0", "stop after this many steps in all; 0: no limit"},
    Key{"tokens", kChangeable, "0", "stop after this many tokens in all; 0: no limit"},
    Key{"epochs", kChangeable, "0", "stop after this many epochs; 0: no limit"},
    Key{"time", kChangeable, "0s", "stop after this time, for example 2h; 0s: no limit"},
    Key{"checkpoint-interval", kChangeable, "10min", "time between checkpoints; 0s: not by time"},
    Key{"checkpoint-every", kChangeable, "0", "steps between checkpoints; 0: not by steps"},
    Key{"keep", kChangeable, "3", "newest checkpoints to keep, at least 2"},
    Key{"keep-every", kChangeable, "0",
        "keep each checkpoint whose step is a multiple of this for good; 0: none"},
    Key{"evaluate-every", kChangeable, "500", "steps between evaluations; 0: at both ends only"},
    Key{"sample-every", kChangeable, "0", "steps between samples; 0: at both ends only"},
    Key{"sample-tokens", kChangeable, "120", "length of a sample; 0: no samples"},
    Key{"log-every", kChangeable, "1", "steps between records in metrics.jsonl; 0: none"},
};

po::options_description describe(bool resuming) {
  po::options_description description;
  for (const Key& key : kKeys) {
    std::string help(key.help);
    if (!key.fallback.empty()) help += fmt::format(" [{}]", key.fallback);
    if (key.kind == kFixed && resuming) help = "fixed for a run; " + help;
    const std::string name(key.name);
    if (key.name == "corpus") {
      description.add_options()(name.c_str(), po::value<std::vector<std::string>>()->multitoken(),
                                help.c_str());
    } else {
      description.add_options()(name.c_str(), po::value<std::string>(), help.c_str());
    }
  }
  if (resuming) description.add_options()("from", po::value<std::string>(), "go back to this step");
  description.add_options()("config", po::value<std::string>(),
                            "file with the same keys, one 'key = value' a line");
  description.add_options()("help,h", "this text");
  return description;
}

/// PRETRAIN_LEARNING_RATE -> learning-rate, when there is such a key.
std::string key_of_variable(const std::string& variable) {
  constexpr std::string_view kPrefix = "PRETRAIN_";
  if (!variable.starts_with(kPrefix)) return "";
  std::string name = variable.substr(kPrefix.size());
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c == '_' ? '-' : static_cast<char>(std::tolower(c)); });
  const bool known =
      std::any_of(kKeys.begin(), kKeys.end(), [&](const Key& key) { return key.name == name; });
  return known ? name : "";
}

std::string joined(const std::vector<std::string>& paths) {
  std::string all;
  for (const std::string& path : paths) {
    if (!all.empty()) all += '\n';
    all += path;
  }
  return all;
}

void store_config_file(const std::string& path, const po::options_description& description,
                       po::variables_map& map) {
  std::istringstream text(read_file(path));
  po::store(po::parse_config_file(text, description), map);
}

}  // namespace

std::span<const Key> run_keys() {
  return kKeys;
}

Given parse_run_keys(const std::vector<std::string>& arguments, bool resuming) {
  const po::options_description description = describe(resuming);
  po::variables_map map;
  Given given;
  try {
    // No guessing of shortened names: a key added later could change their meaning.
    const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(arguments).options(description).positional({}).style(style).run(), map);
    po::store(po::parse_environment(description, key_of_variable), map);
    if (map.contains("config")) store_config_file(map["config"].as<std::string>(), description, map);
  } catch (const po::error& error) {
    fail(ErrorKind::kUsage, "{}; see pretrain {} --help", error.what(), resuming ? "resume" : "train");
  }
  given.help = map.contains("help");
  for (const auto& [name, value] : map) {
    if (name == "help" || name == "config") continue;
    given.values[name] =
        name == "corpus" ? joined(value.as<std::vector<std::string>>()) : value.as<std::string>();
  }
  return given;
}

std::string run_help(bool resuming) {
  std::ostringstream text;
  text
      << (resuming ? "pretrain resume [--state DIR] [--from STEP] [KEY VALUE ...]\n\n"
                     "Continues the run in the state folder from its newest good checkpoint.\n\n"
                   : "pretrain [train] --corpus PATH... [KEY VALUE ...]\n\n"
                     "Trains a language model on text. Goes on with the run in the state folder if there is "
                     "one.\n\n")
      << describe(resuming)
      << "\nEach key can also stand in the environment (PRETRAIN_LEARNING_RATE=1e-3) or in the file given by "
         "--config.\n";
  return text.str();
}

}  // namespace pretrain
