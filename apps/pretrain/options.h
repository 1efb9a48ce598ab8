// SPDX-License-Identifier: Apache-2.0
#pragma once
// The commands that take the keys of a training run (run_keys.h): where its values are given, and their help.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/pretrain/run_keys.h"

namespace pretrain {

/// The subcommands that take the keys of a run.
enum class RunCommand { kTrain, kResume, kBranch };

/// The values from the command line, the environment (PRETRAIN_...) and the --config files. The command line
/// overrides the environment, which overrides the files; a later file overrides an earlier one.
struct Given {
  KeyValues values;  ///< also the command's own options, such as "from"
  bool help = false;
  bool check = false;  ///< only check, don't start
};
/// Parses and checks every value.
/// Errors: kUsage, naming the option, the variable, or the file and line, with the allowed values or the name
/// that was probably meant.
/// `on_read`: called with the texts of --on-event and --state before values are checked, unless nothing is to start.
using OnRead = std::function<void(const std::string& on_event, const std::string& state)>;
Given parse_run_keys(const std::vector<std::string>& arguments, RunCommand command,
                     const OnRead& on_read = {});

/// The text of --help.
std::string run_help(RunCommand command);
/// Prints it, by way of print_help() of arguments.h.
void print_run_help(RunCommand command);

/// Refuses unknown PRETRAIN_... variables, because a misspelt one would silently have no effect.
/// Errors: kUsage, with the most similar name.
void check_environment();

}  // namespace pretrain
