#pragma once
// The configuration keys of a training run: one table with name, default, help, and whether a key is fixed
// for the life of a run. Values are text here; configuration.h gives them types.

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pretrain {

/// Whether a key may differ when a run is resumed.
enum class KeyKind {
  kFixed,       ///< model, data, seed, optimizer: the run would be another one
  kChangeable,  ///< limits, intervals, paths, threads
};

struct Key {
  std::string_view name;
  KeyKind kind;
  std::string_view fallback;  ///< "" means that the preset or the machine decides
  std::string_view help;
};

std::span<const Key> run_keys();

/// Whether a branch may have another value than its parent: all but shape and vocabulary of the model.
bool may_change_in_branch(std::string_view key);

/// The subcommands that take the keys of a run.
enum class RunCommand { kTrain, kResume, kBranch };

/// Values by key, as text.
using KeyValues = std::map<std::string, std::string>;

/// What was given on the command line, in the environment (PRETRAIN_...), and in the file named by --config,
/// in this order of precedence, and the command's own options (from, checkpoint, weights-only). Paths of a
/// corpus are joined with newlines. Errors: kUsage, naming the key that is not known or the value that is
/// missing.
struct Given {
  KeyValues values;
  bool help = false;
  std::string config_file;
};
Given parse_run_keys(const std::vector<std::string>& arguments, RunCommand command);

/// The text of --help.
std::string run_help(RunCommand command);

}  // namespace pretrain
