#pragma once
// The subcommands. Each gets the words after its name and returns the process exit code; faults are
// exceptions.

#include <string>
#include <vector>

#include "libs/base/stop.h"

namespace pretrain {

using Arguments = std::vector<std::string>;

/// Picks the subcommand by the first word; without one it is train.
int run_command(const Arguments& arguments, StopSignal& stop);

int train_command(const Arguments& arguments, StopSignal& stop);
int resume_command(const Arguments& arguments, StopSignal& stop);
int branch_command(const Arguments& arguments, StopSignal& stop);
int eval_command(const Arguments& arguments, StopSignal& stop);
int generate_command(const Arguments& arguments, StopSignal& stop);
int tokenizer_command(const Arguments& arguments, StopSignal& stop);
int inspect_command(const Arguments& arguments, StopSignal& stop);
int bench_command(const Arguments& arguments, StopSignal& stop);

}  // namespace pretrain
