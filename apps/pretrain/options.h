#pragma once
// The configuration keys of a training run: one table, from which parsing, defaults, help, the environment,
// configuration files and the manifest derive. configuration.h makes a run's configuration of the values.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "apps/pretrain/option.h"

namespace pretrain {

struct RunConfiguration;

/// One row a key, in the order of the help.
const OptionTable<RunConfiguration>& run_options();
/// Nothing for a name that is no key.
const Option<RunConfiguration>* find_run_option(std::string_view name);

/// Whether a branch may have another value than its parent: all but shape and vocabulary of the model.
bool may_change_in_branch(std::string_view key);

/// The subcommands that take the keys of a run.
enum class RunCommand { kTrain, kResume, kBranch };

/// Values by key, as text; "" for a key without a value. Several paths are one text; see joined_list().
using KeyValues = std::map<std::string, std::string>;

/// What was given on the command line, in the environment (PRETRAIN_...), and in the files named by --config,
/// in this order of precedence, later files before earlier ones.
struct Given {
  KeyValues values;  ///< and the command's own options: from, checkpoint, weights-only
  bool help = false;
  bool check = false;  ///< validate everything, start nothing
};
/// Each value is checked where it comes from.
/// Errors: kUsage, naming the option, variable, or file and line,
/// and what is needed or was probably meant.
Given parse_run_keys(const std::vector<std::string>& arguments, RunCommand command);

/// The text of --help.
std::string run_help(RunCommand command);

/// Refuses each variable PRETRAIN_... that is neither a key of a run nor known otherwise: a misspelt one
/// would have no effect.
/// Errors: kUsage, with the nearest name.
void check_environment();

}  // namespace pretrain
