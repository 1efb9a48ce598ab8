// SPDX-License-Identifier: Apache-2.0
#pragma once
// The subcommands. Each gets the words after its name and returns the exit code of the process. Errors are
// exceptions; program.h turns them into a message and an exit code.

#include <string>
#include <vector>

#include "libs/base/stop.h"

namespace pretrain {

using Arguments = std::vector<std::string>;

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
int inspect_command(const Arguments& arguments, StopSignal& stop);
int bench_command(const Arguments& arguments, StopSignal& stop);
int presets_command(const Arguments& arguments, StopSignal& stop);

}  // namespace pretrain
