// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/options.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include <boost/program_options.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/run_configuration.h"
#include "apps/pretrain/text_list.h"
#include "libs/base/text.h"
#include "libs/base/utf8.h"

namespace pretrain {
namespace {

using Run = RunConfiguration;

std::string_view name_of(RunCommand command) {
  if (command == RunCommand::kTrain) return "train";
  return command == RunCommand::kResume ? "resume" : "branch";
}

constexpr std::string_view kThisCommand = "This command";

/// The options of a command that are not keys of a run.
std::vector<KnownOption> own_options(RunCommand command) {
  std::vector<KnownOption> own;
  const auto add = [&](std::string_view name, std::string_view help, ValueShape shape) {
    own.push_back({{name, help, kThisCommand}, shape, ""});
  };
  if (command == RunCommand::kResume) {
    add("from", "go back to the checkpoint of this step", {"STEP"});
    add("skip-steps", "skip the batches of these steps, such as 120-125 or 120-125,300",
        {.placeholder = "STEPS", .is_list = true});
    own.back().info.deprecated = "pass-over";
  }
  if (command == RunCommand::kBranch) {
    add("checkpoint", "checkpoint to start from, or a state folder (uses its newest checkpoint)",
        {.placeholder = "PATH", .is_literal = true});
    add("weights-only", "take only the weights and start at step 0", {});
  }
  add("config", "file with the keys below, one 'key = value' on each line; later files override earlier ones",
      {.placeholder = "FILE", .is_list = true, .is_literal = true});
  add("check", "check the configuration, corpus and state folder without starting", {});
  return own;
}

std::vector<KnownOption> joined(std::vector<KnownOption> first, const std::vector<KnownOption>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

CommandSyntax syntax_of(RunCommand command) {
  static constexpr std::array kUsages{
      "pretrain train --corpus PATH... [--KEY VALUE ...]\n\n"
      "Trains a language model on text. If the state folder already holds a run, that\n"
      "run continues. Ctrl-C saves and stops; 'pretrain resume' continues. Only the\n"
      "corpus is needed. Next in importance: --model, or --budget, which chooses it;\n"
      "a limit such as --steps; --state for more than one run.",
      "pretrain resume [--state DIR] [--from STEP] [--skip-steps A-B] [--KEY VALUE ...]\n\n"
      "Continues the run in the state folder from its newest intact checkpoint. Only\n"
      "the keys below can be changed; all others keep their values.",
      "pretrain branch --checkpoint DIR --state NEW [--weights-only] [--KEY VALUE ...]\n\n"
      "Starts a new run in an empty folder from a checkpoint of another run, its\n"
      "parent. The branch takes the parent's weights, optimizer state, step count,\n"
      "position in the text, and keys unless you change them. Limits include the\n"
      "parent's steps. The parent is never modified. If you change the corpus, batch,\n"
      "packing, shuffle buffer, seed or validation fraction, the text starts from the\n"
      "beginning."};
  static constexpr std::string_view kNotes =
      "Numbers N: 500, 10k, 2M, 1e6 (k = 1,000) or 64Ki (Ki = 1,024). Durations TIME:\n"
      "90s, 10min, 2h or 1d12h.\n"
      "\n"
      "Each key can also be set in the environment (PRETRAIN_LEARNING_RATE=1e-3; paths\n"
      "separated by ':'; PRETRAIN_CONFIG for --config) or in a file for --config. The\n"
      "command line overrides the environment; the environment overrides files. In a\n"
      "file, write one 'corpus = PATH' line for each path. Each run writes its keys to\n"
      "STATE/run.ini, which --config accepts.\n"
      "PRETRAIN_CPU=avx2 (portable, sse4, avx2, avx512, avx512bf16 or amx) limits the\n"
      "instruction set of the kernels.\n"
      "\n"
      "Examples:\n"
      "  pretrain train --corpus book.txt --model shakespeare --time 10min\n"
      "  pretrain train --corpus /wiki --budget 8h\n"
      "  pretrain train --corpus /wiki --model fast --schedule cosine --epochs 1\n"
      "  pretrain resume --steps 20k\n"
      "\n"
      "Exit codes: 0 finished or stopped on request, 2 invalid usage or configuration,\n"
      "3 unusable corpus or checkpoint, 1 any other error.";
  return {.name = name_of(command),
          .usage = kUsages.at(static_cast<size_t>(command)),
          .examples = kNotes,
          .positional = command == RunCommand::kTrain ? "corpus" : ""};
}

/// The command's own options and the keys that it accepts.
std::vector<KnownOption> shown_options(RunCommand command) {
  std::vector<KnownOption> shown = own_options(command);
  for (const KnownOption& key : known_options(run_options())) {
    const bool applies = command == RunCommand::kTrain ||
                         (command == RunCommand::kResume ? key.info.kind == KeyKind::kChangeable
                                                         : may_change_in_branch(key.info.name));
    if (applies) shown.push_back(key);
  }
  return shown;
}

/// The values of the files; a later file overrides an earlier one.
GivenValues read_files(const std::vector<std::string>& files, const std::vector<KnownOption>& keys) {
  GivenValues values;
  for (const std::string& file : files) {
    for (auto& [name, given] : parse_file(file, keys)) values.insert_or_assign(name, std::move(given));
  }
  return values;
}

std::vector<std::string> config_files(const GivenValues& words) {
  if (const auto found = words.find("config"); found != words.end()) return found->second.texts;
  const char* variable = std::getenv("PRETRAIN_CONFIG");
  if (variable == nullptr) return {};
  if (*variable == '\0') fail(ErrorKind::kUsage, "PRETRAIN_CONFIG has no value; give it one or unset it");
  return {variable};
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Character character = read_utf8(text);
    if (character.state != Utf8Character::State::kValid) return false;
    text.remove_prefix(character.bytes);
  }
  return true;
}

/// The value as text, with absolute paths. Only UTF-8 is accepted, because checkpoints store the text as
/// JSON.
std::string as_text(const Option<Run>& option, const Run& run, const GivenValue& given) {
  for (const std::string& text : given.texts) {
    if (!is_utf8(text)) {
      fail(ErrorKind::kUsage, "{} must be valid UTF-8 (got '{}'); rename the file or folder", given.source,
           printable(text));
    }
  }
  const ValueShape& shape = option.value.shape;
  if (shape.is_list) return joined_list(option.value.get(run));
  return shape.placeholder == "PATH" ? option.value.get(run).front() : given.texts.front();
}

std::string first_text(const GivenValues& values, const std::string& name) {
  const auto found = values.find(name);
  return found == values.end() || found->second.texts.empty() ? "" : found->second.texts.front();
}

}  // namespace

Given parse_run_keys(const std::vector<std::string>& arguments, RunCommand command, const OnRead& on_read) {
  const std::vector<KnownOption> keys = known_options(run_options());
  GivenValues values = parse_words(arguments, joined(own_options(command), keys), syntax_of(command));
  Given given{.values = {}, .help = values.contains("help"), .check = values.contains("check")};
  if (given.help) return given;
  values.merge(read_environment(keys));
  values.merge(read_files(config_files(values), keys));
  if (on_read && !given.check) on_read(first_text(values, "on-event"), first_text(values, "state"));
  Run run;
  assign(run, run_options(), values);
  for (const auto& [name, value] : values) {
    if (const auto* option = find_run_option(name)) {
      given.values[name] = as_text(*option, run, value);
    } else if (name == "weights-only") {
      given.values[name] = "yes";
    } else if (name != "config" && name != "check") {
      given.values[name] = fmt::format("{}", fmt::join(value.texts, ","));
    }
  }
  return given;
}

std::string run_help(RunCommand command) {
  return help_text(syntax_of(command), shown_options(command));
}

void print_run_help(RunCommand command) {
  print_help(syntax_of(command), shown_options(command));
}

void check_environment() {
  // Variables of other commands and of the tests.
  std::vector<std::string> known{"PRETRAIN_CONFIG",      "PRETRAIN_CHECKPOINT",   "PRETRAIN_CPU",
                                 "PRETRAIN_KILLS",       "PRETRAIN_LONG_TESTS",   "PRETRAIN_SEQUENCES",
                                 "PRETRAIN_STALL",       "PRETRAIN_STRESS_ITEMS", "PRETRAIN_SKIP_SETUP",
                                 "PRETRAIN_INTEROP_VENV"};
  for (const auto& option : run_options()) known.push_back(variable_of(option.info.name));
  // Only below --on-event: elsewhere PRETRAIN_STEP is PRETRAIN_STEPS misspelt, and a limit would be ignored.
  if (std::getenv("PRETRAIN_EVENT") != nullptr)
    known.insert(known.end(), {"PRETRAIN_EVENT", "PRETRAIN_MESSAGE", "PRETRAIN_STEP"});
  std::vector<std::string> unknown;
  boost::program_options::parse_environment({}, [&](const std::string& variable) {
    const bool ours = variable.starts_with("PRETRAIN_") && !variable.starts_with("PRETRAIN_TEST_");
    if (ours && std::ranges::find(known, variable) == known.end()) unknown.push_back(variable);
    return std::string();
  });
  if (unknown.empty()) return;
  const std::vector<std::string_view> names(known.begin(), known.end());
  const std::string meant = did_you_mean("", unknown.front(), names);
  fail(ErrorKind::kUsage, "unknown environment variable {}{}{}", unknown.front(), meant,
       meant.empty() ? "; unset it" : " Rename or unset it");
}

}  // namespace pretrain
