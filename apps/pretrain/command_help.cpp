// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/command_help.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "libs/base/check.h"

namespace pretrain {
namespace {

CommandHelp* wanted = nullptr;  // where print_help() puts what it is given; null: it prints

/// Makes print_help() write into `help` until the end of the scope, also when a command throws.
class Redirection {
 public:
  explicit Redirection(CommandHelp& help) { wanted = &help; }
  ~Redirection() { wanted = nullptr; }
  Redirection(const Redirection&) = delete;
  Redirection& operator=(const Redirection&) = delete;
};

}  // namespace

void print_help(const CommandSyntax& syntax, const std::vector<KnownOption>& known) {
  if (wanted != nullptr) {
    *wanted = {syntax, known};
  } else {
    fmt::print("{}", help_text(syntax, known));
  }
}

CommandHelp help_of(const std::function<void()>& ask) {
  CommandHelp help;
  const Redirection redirection(help);
  ask();
  PRETRAIN_CHECK(!help.syntax.name.empty(), "a command printed no help with print_help()");
  return help;
}

CommandManual manual_of(const NamedCommand& command, StopSignal& stop) {
  CommandManual manual{command.name, command.summary, {}};
  manual.parts.push_back(help_of([&] { command.run({"--help"}, stop); }));
  for (const std::string_view verb : words_of(manual.parts.front().syntax.verbs))
    manual.parts.push_back(help_of([&] { command.run({std::string(verb), "--help"}, stop); }));
  return manual;
}

std::vector<CommandManual> all_manuals(StopSignal& stop) {
  std::vector<CommandManual> manuals;
  for (const NamedCommand& command : all_commands()) manuals.push_back(manual_of(command, stop));
  return manuals;
}

std::vector<std::string_view> words_of(std::string_view list) {
  std::vector<std::string_view> words;
  while (!list.empty()) {
    const size_t end = std::min(list.find(' '), list.size());
    if (end > 0) words.push_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return words;
}

}  // namespace pretrain
