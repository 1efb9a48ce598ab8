// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>

#include "apps/pretrain/check_run.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/control_commands.h"
#include "apps/pretrain/mpi_job.h"
#include "apps/pretrain/options.h"
#include "apps/pretrain/shell_text.h"
#include "apps/pretrain/value_text.h"
#include "apps/pretrain/version.h"
#include "libs/base/error.h"
#include "libs/base/quantity.h"

namespace pretrain {
namespace {

constexpr std::array kCommands{
    NamedCommand{"train", "train a language model on text", train_command},
    NamedCommand{"resume", "continue the run in the state folder", resume_command},
    NamedCommand{"branch", "start a new run from a checkpoint", branch_command},
    NamedCommand{"join", "help another machine train its run", join_command},
    NamedCommand{"status", "show how a run is doing", status_command},
    NamedCommand{"pause", "let a run wait, without losing anything", pause_command},
    NamedCommand{"continue", "end the pause of a run", continue_command},
    NamedCommand{"save", "let a run write a checkpoint now", save_command},
    NamedCommand{"stop", "let a run save and end", stop_command},
    NamedCommand{"set", "change the threads of a run", set_command},
    NamedCommand{"eval", "print a model's loss and bits per byte", eval_command},
    NamedCommand{"generate", "generate text with a model", generate_command},
    NamedCommand{"serve", "let other programs use a model", serve_command},
    NamedCommand{"export", "write a model for transformers or llama.cpp", export_command},
    NamedCommand{"tokenizer", "train a vocabulary, encode, decode", tokenizer_command},
    NamedCommand{"inspect", "verify and describe a checkpoint or a corpus", inspect_command},
    NamedCommand{"report", "write a page with the curves of runs", report_command},
    NamedCommand{"dashboard", "show runs in a browser while they train", dashboard_command},
    NamedCommand{"export-metrics", "write curves as a table or for TensorBoard", metrics_command},
    NamedCommand{"bench", "measure this machine and a model's step", bench_command},
    NamedCommand{"presets", "list the presets: sizes, memory, speed", presets_command},
    NamedCommand{"plan", "find the best model for your text and time", plan_command},
    NamedCommand{"scale", "predict how fast several machines would train", scale_command},
    NamedCommand{"help", "explain a command; man pages, completions", help_command}};

bool is_help(std::string_view word) {
  return word == "--help" || word == "-h" || word == "help";
}

/// Names of similar commands in other programs.
std::string_view command_meant(std::string_view word) {
  if (word == "chat" || word == "run" || word == "sample" || word == "complete") return "generate";
  if (word == "evaluate" || word == "test" || word == "validate") return "eval";
  if (word == "restart") return "resume";
  if (word == "worker" || word == "connect" || word == "torchrun" || word == "mpirun") return "join";
  if (word == "suspend" || word == "hold") return "pause";
  if (word == "kill" || word == "quit") return "stop";
  if (word == "ps" || word == "watch" || word == "progress") return "status";
  if (word == "start" || word == "fit" || word == "pretrain") return "train";
  if (word == "convert" || word == "publish" || word == "quantize") return "export";
  if (word == "benchmark") return "bench";
  if (word == "estimate" || word == "recommend" || word == "suggest") return "plan";
  if (word == "models" || word == "list" || word == "sizes") return "presets";
  if (word == "plot" || word == "curves" || word == "compare") return "report";
  if (word == "web" || word == "ui" || word == "monitor") return "dashboard";
  if (word == "server" || word == "api" || word == "openai") return "serve";
  if (word == "tensorboard" || word == "csv") return "export-metrics";
  if (word == "show" || word == "info" || word == "verify") return "inspect";
  if (word == "tokenize" || word == "encode" || word == "decode") return "tokenizer";
  return "";
}

/// With the options of the command itself.
SessionRequest request_to_resume(const Given& given) {
  SessionRequest request{.given = given.values, .must_resume = true};
  if (const auto from = given.values.find("from"); from != given.values.end()) {
    const auto step = parse_count(from->second);
    if (!step)
      fail(ErrorKind::kUsage, "--from must be the step of a checkpoint, such as 1000 (got {})", from->second);
    request.from_step = *step;
    request.given.erase("from");
  }
  if (const auto skips = given.values.find("skip-steps"); skips != given.values.end()) {
    const auto ranges = SkipRanges::parse(skips->second);
    if (!ranges) {
      fail(ErrorKind::kUsage,
           "--skip-steps must be steps, counted from 1, such as 120, 120-125 or 120-125,300 (got {})",
           skips->second);
    }
    request.skips = *ranges;
    request.given.erase("skip-steps");
  }
  return request;
}

void start(const SessionRequest& request, bool only_check, StopSignal& stop) {
  if (only_check) return check_run(request, stop);
  run_in_job(request, stop);
}

}  // namespace

std::span<const NamedCommand> all_commands() {
  return kCommands;
}

const NamedCommand* find_command(std::string_view name) {
  const auto found = std::ranges::find(kCommands, name, &NamedCommand::name);
  return found == kCommands.end() ? nullptr : &*found;
}

void refuse_command(const std::string& word) {
  std::error_code ignored;
  if (std::filesystem::exists(word, ignored)) {
    fail(ErrorKind::kUsage, "'{}' is not a command; to train on it: pretrain train --corpus {}", word,
         shell_word(word));
  }
  std::vector<std::string_view> names;
  for (const NamedCommand& command : kCommands) names.push_back(command.name);
  const std::string_view meant = command_meant(word);
  const std::string hint = meant.empty() ? did_you_mean("pretrain ", word, names)
                                         : fmt::format("; did you mean pretrain {}?", meant);
  fail(ErrorKind::kUsage, "'{}' is not a command{}{} pretrain --help", word, hint,
       hint.empty() ? "; see" : " See");
}

std::string overview() {
  std::string text = "pretrain trains small language models from text on CPUs.\n\n";
  for (const NamedCommand& command : kCommands)
    text += fmt::format("  pretrain {:<16} {}\n", command.name, command.summary);
  text +=
      "\nStart with one of these:\n"
      "    pretrain --corpus PATH                train the default model until Ctrl-C\n"
      "    pretrain --corpus PATH --budget 8h    train the best model for text and time\n"
      "    pretrain presets                      see what this machine can train\n"
      "\nSee pretrain COMMAND --help; pretrain --version prints the version. Without a\n"
      "command, the options are those of train.\n";
  return text;
}

int run_command(const Arguments& arguments, StopSignal& stop) {
  const std::string first = arguments.empty() ? "--help" : arguments.front();
  // "pretrain help train" is the same as "pretrain train --help".
  if (is_help(first))
    return help_command({arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end()}, stop);
  if (first == "--version" || first == "-V" || first == "version") {
    fmt::print("{}", version_text());
    return 0;
  }
  if (std::ranges::none_of(arguments, [](const auto& word) { return word == "--help" || word == "-h"; }))
    check_environment();
  if (first.starts_with("-")) return train_command(arguments, stop);
  const NamedCommand* command = find_command(first);
  if (command == nullptr) refuse_command(first);
  return command->run({arguments.begin() + 1, arguments.end()}, stop);
}

int train_command(const Arguments& arguments, StopSignal& stop) {
  FailureNotice failure;
  return failure.guard([&] {
    const Given given = parse_run_keys(arguments, RunCommand::kTrain, noting(failure));
    if (given.help) {
      print_run_help(RunCommand::kTrain);
      return 0;
    }
    start({.given = given.values, .failure = &failure}, given.check, stop);
    return 0;
  });
}

int resume_command(const Arguments& arguments, StopSignal& stop) {
  FailureNotice failure;
  return failure.guard([&] {
    failure.look_up_command();
    const Given given = parse_run_keys(arguments, RunCommand::kResume, noting(failure));
    if (given.help) {
      print_run_help(RunCommand::kResume);
      return 0;
    }
    SessionRequest request = request_to_resume(given);
    request.failure = &failure;
    start(request, given.check, stop);
    return 0;
  });
}

}  // namespace pretrain
