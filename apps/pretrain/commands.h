// SPDX-License-Identifier: Apache-2.0
#pragma once
// The subcommands. Each gets the words after its name and returns the exit code of the process. Errors are
// exceptions; program.h turns them into a message and an exit code.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/stop.h"

namespace pretrain {

using Arguments = std::vector<std::string>;

struct NamedCommand {
  std::string_view name;
  std::string_view summary;  ///< what it does, in a few words
  int (*run)(const Arguments& arguments, StopSignal& stop);
};

/// In the order of the help.
std::span<const NamedCommand> all_commands();
/// Null when there is none of that name.
const NamedCommand* find_command(std::string_view name);
/// Errors: kUsage always, with the command that was probably meant.
[[noreturn]] void refuse_command(const std::string& word);
/// What `pretrain --help` prints.
std::string overview();

/// Runs the subcommand that the first word names, or train if the first word is an option.
int run_command(const Arguments& arguments, StopSignal& stop);

int train_command(const Arguments& arguments, StopSignal& stop);
int resume_command(const Arguments& arguments, StopSignal& stop);
int branch_command(const Arguments& arguments, StopSignal& stop);
int eval_command(const Arguments& arguments, StopSignal& stop);
int generate_command(const Arguments& arguments, StopSignal& stop);
int export_command(const Arguments& arguments, StopSignal& stop);
int dashboard_command(const Arguments& arguments, StopSignal& stop);
int metrics_command(const Arguments& arguments, StopSignal& stop);
int serve_command(const Arguments& arguments, StopSignal& stop);
int report_command(const Arguments& arguments, StopSignal& stop);
int tokenizer_command(const Arguments& arguments, StopSignal& stop);
int join_command(const Arguments& arguments, StopSignal& stop);
int inspect_command(const Arguments& arguments, StopSignal& stop);
int bench_command(const Arguments& arguments, StopSignal& stop);
int presets_command(const Arguments& arguments, StopSignal& stop);
int help_command(const Arguments& arguments, StopSignal& stop);
int scale_command(const Arguments& arguments, StopSignal& stop);
int plan_command(const Arguments& arguments, StopSignal& stop);

}  // namespace pretrain
