// SPDX-License-Identifier: Apache-2.0
#pragma once
// What each command says of itself for --help, as data: man pages and completions derive from it, so that a command with
// a table of options has both without another line. Used by one thread, before any other starts.

#include <functional>
#include <string_view>
#include <vector>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/commands.h"

namespace pretrain {

/// What print_help() gets.
struct CommandHelp {
  CommandSyntax syntax;
  std::vector<KnownOption> options;  ///< without --help, which every command has
};

/// What `ask` would print with print_help().
/// Requires: `ask` calls print_help() once.
CommandHelp help_of(const std::function<void()>& ask);

/// A command, and each of its verbs (`tokenizer train`) after it.
struct CommandManual {
  std::string_view name;
  std::string_view summary;
  std::vector<CommandHelp> parts;
};

CommandManual manual_of(const NamedCommand& command, StopSignal& stop);
/// In the order of all_commands().
std::vector<CommandManual> all_manuals(StopSignal& stop);

/// The words of a list that is separated by blanks.
std::vector<std::string_view> words_of(std::string_view list);

}  // namespace pretrain
