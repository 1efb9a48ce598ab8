// SPDX-License-Identifier: Apache-2.0
#pragma once
// The configuration keys of a training run, in one table. Parsing, defaults, help, the environment,
// configuration files and the manifest all derive from it; configuration.h turns the values into a typed
// configuration. To add a key, add a row here and a member to RunConfiguration.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "apps/pretrain/option.h"

namespace pretrain {

struct RunConfiguration;

/// One row for each key, in the order of the help.
const OptionTable<RunConfiguration>& run_options();
/// Null when `name` is not a key.
const Option<RunConfiguration>* find_run_option(std::string_view name);

/// Whether a branch may change this key: true for all but the model's shape and vocabulary.
bool may_change_in_branch(std::string_view key);

/// The subcommands that take the keys of a run.
enum class RunCommand { kTrain, kResume, kBranch };

/// Values by key, as text; "" for a key without a value. Several paths are joined by joined_list().
using KeyValues = std::map<std::string, std::string>;

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
Given parse_run_keys(const std::vector<std::string>& arguments, RunCommand command);

/// The text of --help.
std::string run_help(RunCommand command);
/// Prints it, by way of print_help() of arguments.h.
void print_run_help(RunCommand command);

/// Refuses unknown PRETRAIN_... variables, because a misspelt one would silently have no effect.
/// Errors: kUsage, with the most similar name.
void check_environment();

}  // namespace pretrain
