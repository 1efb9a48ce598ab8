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
    Key{"schedule-steps", kChangeable, "", "step at which cosine ends [from the limit of the first start]"},
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

constexpr std::string_view name_of(RunCommand command) {
  if (command == RunCommand::kTrain) return "train";
  return command == RunCommand::kResume ? "resume" : "branch";
}

/// What a command does not let be changed, in its help.
std::string remark(const Key& key, RunCommand command) {
  if (command == RunCommand::kResume && key.kind == kFixed) return "fixed for a run; ";
  if (command == RunCommand::kBranch && !may_change_in_branch(key.name)) return "that of the checkpoint; ";
  return "";
}

void add_own_options(RunCommand command, po::options_description& description) {
  if (command == RunCommand::kResume) {
    description.add_options()("from", po::value<std::string>(), "go back to this step");
    description.add_options()("pass-over", po::value<std::vector<std::string>>(),
                              "skip the batches of these steps, such as 120-125 or 120-125,300");
  }
  if (command == RunCommand::kBranch) {
    description.add_options()("checkpoint", po::value<std::string>(),
                              "checkpoint to start from, or the state folder of a run: its newest");
    description.add_options()("weights-only", po::bool_switch(),
                              "take over the weights alone and begin at step 0");
  }
}

po::options_description describe(RunCommand command) {
  po::options_description description;
  for (const Key& key : kKeys) {
    std::string help(key.help);
    if (!key.fallback.empty()) help += fmt::format(" [{}]", key.fallback);
    help = remark(key, command) + help;
    const std::string name(key.name);
    if (key.name == "corpus") {
      description.add_options()(name.c_str(), po::value<std::vector<std::string>>()->multitoken(),
                                help.c_str());
    } else {
      description.add_options()(name.c_str(), po::value<std::string>(), help.c_str());
    }
  }
  add_own_options(command, description);
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

std::string joined(const std::vector<std::string>& values, char separator) {
  std::string all;
  for (const std::string& value : values) {
    if (&value != &values.front()) all += separator;
    all += value;
  }
  return all;
}

/// A key that may be given several times is one text here.
std::string text_of(const std::string& name, const po::variable_value& value) {
  if (name == "corpus") return joined(value.as<std::vector<std::string>>(), '\n');
  if (name == "pass-over") return joined(value.as<std::vector<std::string>>(), ',');
  return value.as<std::string>();
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

Given parse_run_keys(const std::vector<std::string>& arguments, RunCommand command) {
  const po::options_description description = describe(command);
  po::variables_map map;
  Given given;
  try {
    // No guessing of shortened names: a key added later could change their meaning.
    const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(arguments).options(description).positional({}).style(style).run(), map);
    po::store(po::parse_environment(description, key_of_variable), map);
    if (map.contains("config")) store_config_file(map["config"].as<std::string>(), description, map);
  } catch (const po::error& error) {
    fail(ErrorKind::kUsage, "{}; see pretrain {} --help", error.what(), name_of(command));
  }
  given.help = map.contains("help");
  for (const auto& [name, value] : map) {
    if (name == "help" || name == "config") continue;
    if (name == "weights-only") {
      if (value.as<bool>()) given.values[name] = "yes";
      continue;
    }
    given.values[name] = text_of(name, value);
  }
  return given;
}

bool may_change_in_branch(std::string_view key) {
  static constexpr std::array kOfTheModel{"model", "arch",  "layers",         "d-model",   "heads",
                                          "d-ff",  "vocab", "tokenizer-type", "tokenizer", "context"};
  return std::ranges::find(kOfTheModel, key) == kOfTheModel.end();
}

std::string run_help(RunCommand command) {
  static constexpr std::array kHeads{
      "pretrain [train] --corpus PATH... [KEY VALUE ...]\n\n"
      "Trains a language model on text. Goes on with the run in the state folder if there is one.\n\n",
      "pretrain resume [--state DIR] [--from STEP] [--pass-over A-B] [KEY VALUE ...]\n\n"
      "Continues the run in the state folder from its newest good checkpoint.\n\n",
      "pretrain branch --checkpoint DIR --state NEW [--weights-only] [KEY VALUE ...]\n\n"
      "Starts a new run in an empty folder from a checkpoint of another one: with its weights, moments, "
      "count of "
      "steps\nand place in the text, and with other keys where they are given. Limits count the parent's "
      "steps "
      "too. The\nparent is only read. Another corpus, batch, packing, shuffle buffer, seed or share of "
      "held-out "
      "text starts the\nstream of text anew.\n\n"};
  std::ostringstream text;
  text
      << kHeads.at(static_cast<size_t>(command)) << describe(command)
      << "\nEach key can also stand in the environment (PRETRAIN_LEARNING_RATE=1e-3) or in the file given by "
         "--config.\n";
  return text.str();
}

}  // namespace pretrain
