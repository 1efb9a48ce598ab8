#include <charconv>
#include <cstdio>
#include <map>

#include <fmt/format.h>

#include "apps/pretrain/commands.h"
#include "apps/pretrain/options.h"
#include "apps/pretrain/session.h"
#include "libs/base/error.h"

namespace pretrain {
namespace {

constexpr const char* kHelp =
    "pretrain [train] --corpus PATH...   train a language model on text\n"
    "pretrain resume                     continue the run in the state folder\n"
    "pretrain branch                     start a new run from a checkpoint\n"
    "pretrain eval                       loss, perplexity, bits per byte of a checkpoint\n"
    "pretrain generate                   write text with a checkpoint\n"
    "pretrain tokenizer                  train a vocabulary, encode, decode\n"
    "pretrain inspect                    verify and describe a checkpoint or a corpus\n"
    "pretrain bench                      measure this machine and a model's step\n"
    "\n"
    "pretrain COMMAND --help tells more.\n";

uint64_t parse_step(const std::string& text) {
  uint64_t step = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, step);
  if (result.ec != std::errc() || result.ptr != end)
    fail(ErrorKind::kUsage, "--from '{}': the step of a checkpoint is needed, a whole number", text);
  return step;
}

}  // namespace

int run_command(const Arguments& arguments, StopSignal& stop) {
  using Command = int (*)(const Arguments&, StopSignal&);
  static const std::map<std::string, Command> commands{
      {"train", train_command},       {"resume", resume_command},       {"eval", eval_command},
      {"generate", generate_command}, {"tokenizer", tokenizer_command}, {"inspect", inspect_command},
      {"bench", bench_command},       {"branch", branch_command}};
  const std::string first = arguments.empty() ? "--help" : arguments.front();
  if (first == "--help" || first == "-h" || first == "help") {
    fmt::print("{}", kHelp);
    return 0;
  }
  if (first == "--version") {
    fmt::print("pretrain {}\n", PRETRAIN_VERSION);
    return 0;
  }
  if (first.starts_with("-")) return train_command(arguments, stop);
  const auto found = commands.find(first);
  if (found == commands.end()) fail(ErrorKind::kUsage, "'{}' is not a command; see pretrain --help", first);
  return found->second({arguments.begin() + 1, arguments.end()}, stop);
}

int train_command(const Arguments& arguments, StopSignal& stop) {
  const Given given = parse_run_keys(arguments, RunCommand::kTrain);
  if (given.help) {
    fmt::print("{}", run_help(RunCommand::kTrain));
    return 0;
  }
  run_session({.given = given.values}, stop);
  return 0;
}

int resume_command(const Arguments& arguments, StopSignal& stop) {
  Given given = parse_run_keys(arguments, RunCommand::kResume);
  if (given.help) {
    fmt::print("{}", run_help(RunCommand::kResume));
    return 0;
  }
  SessionRequest request{.given = given.values, .must_resume = true};
  if (const auto from = given.values.find("from"); from != given.values.end()) {
    request.from_step = parse_step(from->second);
    request.given.erase("from");
  }
  if (const auto skips = given.values.find("pass-over"); skips != given.values.end()) {
    const auto ranges = SkipRanges::parse(skips->second);
    if (!ranges) {
      fail(ErrorKind::kUsage,
           "--pass-over {}: steps are needed, counted from 1, such as 120, 120-125 or 120-125,300",
           skips->second);
    }
    request.skips = *ranges;
    request.given.erase("pass-over");
  }
  run_session(request, stop);
  return 0;
}

}  // namespace pretrain
